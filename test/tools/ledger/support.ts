/** Folders for the ledger tools: the recorded chain in our layout, and in Go's, written here by the layout's rules. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { afterAll } from "vitest"
import { BlockStoreProvider, layerFile, makeLedgerProvider } from "../../../src/ledger/index.js"
import type { TxPvtData } from "../../../src/ledger/pvtdata/index.js"
import { ledgerTool } from "../../../src/tools/ledger/index.js"
import type { ToolIo } from "../../../src/tools/ToolIo.js"
import { common } from "../../../src/wire/index.js"
import { chainA, decidedBefore, filterOf } from "../../ledger/vectors.js"

export { chainA } from "../../ledger/vectors.js"

/** Go's blocks of the recorded channel, as Org1's peer stored them. */
export const peerBlocks = chainA("peer")
export const ordererBlocks = chainA("orderer")
const system = path.join(import.meta.dirname, "..", "..", "vectors", "chain-a", "system", "blocks")
export const systemBlocks = fs
  .readdirSync(system)
  .sort()
  .map((name) => new Uint8Array(fs.readFileSync(path.join(system, name))))

/** Folders that are gone with the test file. */
export const folders = (name: string): (() => string) => {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), `ledger-tool-${name}-`))
  afterAll(() => fs.rmSync(base, { recursive: true, force: true }))
  let count = 0
  return () => {
    const dir = path.join(base, String(count++))
    fs.mkdirSync(dir)
    return dir
  }
}

// ---- The tool ----------------------------------------------------------------------------------------------------

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export const run = async (argv: ReadonlyArray<string>, world: Partial<ToolIo> = {}): Promise<Ran> => {
  let out = ""
  let err = ""
  const code = await Effect.runPromise(
    ledgerTool(argv, {
      cwd: "/",
      env: {},
      stdin: () => Promise.resolve(new Uint8Array(0)),
      stdout: (data) => {
        out += typeof data === "string" ? data : Buffer.from(data).toString()
      },
      stderr: (text) => {
        err += text
      },
      ...world
    })
  )
  return { code, out, err }
}

/** Output of `--json`, a value a line. */
export const lines = (out: string): ReadonlyArray<unknown> =>
  out
    .split("\n")
    .filter((line) => line !== "")
    .map((line): unknown => JSON.parse(line))

// ---- Ours --------------------------------------------------------------------------------------------------------

/** A peer's folder (`peer.fileSystemPath`) with the recorded channel up to a height; private data where it is given. */
export const ourPeer = async (
  fileSystemPath: string,
  options: {
    readonly blocks?: ReadonlyArray<Uint8Array>
    readonly history?: boolean
    readonly pvtData?: (number: bigint) => TxPvtData
  } = {}
): Promise<string> => {
  const blocks = options.blocks ?? peerBlocks
  await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const provider = yield* makeLedgerProvider({
          root: path.join(fileSystemPath, "ledgersData"),
          historyEnabled: options.history ?? true
        })
        const [first = new Uint8Array(0), ...rest] = blocks
        const ledger = yield* provider.create(first)
        for (const block of rest) {
          const number = common.Block.decode(block).header?.number ?? 0n
          const pvtData = options.pvtData?.(number)
          const codes = decidedBefore(filterOf(block))
          yield* ledger.commit({ block, codes, ...(pvtData === undefined ? {} : { pvtData }) })
        }
      })
    )
  )
  return fileSystemPath
}

/** An orderer's folder with the recorded channel and its system channel. */
export const ourOrderer = async (root: string): Promise<string> => {
  await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const provider = yield* BlockStoreProvider
        for (const [id, blocks] of [
          ["mychannel", ordererBlocks],
          ["sys", systemBlocks]
        ] as const) {
          const store = yield* provider.getOrCreate(id)
          for (const block of blocks) yield* store.append(block)
        }
      })
    ).pipe(Effect.provide(layerFile({ root })))
  )
  return root
}

// ---- Go's --------------------------------------------------------------------------------------------------------

const varint = (value: number | bigint): Buffer => {
  const bytes: Array<number> = []
  let rest = BigInt(value)
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}
const part = (bytes: Uint8Array): Buffer => Buffer.concat([varint(bytes.length), bytes])

/** A block as Go's block files hold it, with its length in front. */
export const goRecord = (bytes: Uint8Array): Buffer => {
  const { data, header, metadata } = common.Block.decode(bytes)
  const envelopes = data?.data ?? []
  const slots = metadata?.metadata ?? []
  return part(
    Buffer.concat([
      varint(header?.number ?? 0n),
      part(header?.dataHash ?? new Uint8Array(0)),
      part(header?.previousHash ?? new Uint8Array(0)),
      varint(envelopes.length),
      ...envelopes.map(part),
      varint(slots.length),
      ...slots.map(part)
    ])
  )
}

/** Block files of one channel; a new file after so many blocks. */
export const writeGoChain = (folder: string, blocks: ReadonlyArray<Uint8Array>, perFile = 10): void => {
  fs.mkdirSync(folder, { recursive: true })
  for (let file = 0; file * perFile < blocks.length; file++)
    fs.writeFileSync(
      path.join(folder, `blockfile_${String(file).padStart(6, "0")}`),
      Buffer.concat(blocks.slice(file * perFile, (file + 1) * perFile).map(goRecord))
    )
}

const touch = (...names: ReadonlyArray<string>): void => {
  for (const name of names) {
    fs.mkdirSync(path.dirname(name), { recursive: true })
    fs.writeFileSync(name, "")
  }
}

/** What a stopped Go peer leaves in its `fileSystemPath`, databases empty. */
export const goPeer = (
  fileSystemPath: string,
  channels: Readonly<Record<string, ReadonlyArray<Uint8Array>>> = { mychannel: peerBlocks }
): string => {
  const data = path.join(fileSystemPath, "ledgersData")
  for (const [id, blocks] of Object.entries(channels)) writeGoChain(path.join(data, "chains", "chains", id), blocks)
  for (const database of ["chains/index", "ledgerProvider", "stateLeveldb", "historyLeveldb", "pvtdataStore"])
    touch(path.join(data, database, "CURRENT"), path.join(data, database, "LOCK"))
  touch(path.join(fileSystemPath, "transientStore", "CURRENT"), path.join(fileSystemPath, "transientStore", "LOCK"))
  touch(path.join(fileSystemPath, "chaincodes", "sink.1.0"))
  return fileSystemPath
}

/** What a stopped Go orderer leaves in its `FileLedger.Location`. */
export const goOrderer = (
  root: string,
  channels: Readonly<Record<string, ReadonlyArray<Uint8Array>>> = { mychannel: ordererBlocks, sys: systemBlocks }
): string => {
  for (const [id, blocks] of Object.entries(channels)) writeGoChain(path.join(root, "chains", id), blocks)
  touch(path.join(root, "index", "CURRENT"), path.join(root, "index", "LOCK"))
  return root
}

/** Every file below a folder with its content: to see that nothing was touched. */
export const contents = (dir: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    fs
      .readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const name = path.join(entry.parentPath, entry.name)
        return [path.relative(dir, name), fs.readFileSync(name).toString("base64")] as const
      })
      .sort(([a], [b]) => (a < b ? -1 : 1))
  )

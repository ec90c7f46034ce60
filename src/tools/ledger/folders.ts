/** Which ledger a folder holds: ours or a Go node's, a peer's or an orderer's. Reads only. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Either from "effect/Either"
import { isGoFolder, kindOfFolder } from "../../ledger/index.js"
import { compareUtf8 } from "../../wire/protoutil.js"
import { LedgerToolFailed, textOf } from "./errors.js"
import { goBlockFiles } from "./goBlocks.js"

export type Owner = "peer" | "orderer"

/** A channel's folder below a root. */
export interface ChannelPlace {
  readonly id: string
  readonly folder: string
}

/** A folder that a node's ledgers lie in. */
export interface LedgerRoot {
  readonly owner: Owner
  readonly format: "ours" | "go"
  /** What is locked: `<peer.fileSystemPath>/ledgersData`, or the orderer's `FileLedger.Location`. */
  readonly root: string
  /** In byte order; of a Go node only those with blocks. */
  readonly channels: ReadonlyArray<ChannelPlace>
}

const isFolder = (dir: string): boolean => fs.statSync(dir, { throwIfNoEntry: false })?.isDirectory() === true

const foldersIn = (dir: string): ReadonlyArray<ChannelPlace> =>
  isFolder(dir)
    ? fs
        .readdirSync(dir, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name: id }) => ({ id, folder: path.join(dir, id) }))
        .sort((a, b) => compareUtf8(a.id, b.id))
    : []

const withGoBlocks = (dir: string): ReadonlyArray<ChannelPlace> =>
  foldersIn(dir).filter(({ folder }) => goBlockFiles(folder).length > 0)

/** What lies in exactly this folder; undefined: no ledger. @throws FormatUnknown */
const ledgerAt = (dir: string): LedgerRoot | undefined => {
  const kind = kindOfFolder(dir)
  if (kind === "ledgers")
    return { owner: "peer", format: "ours", root: dir, channels: foldersIn(path.join(dir, "channels")) }
  if (kind === "blocks")
    return { owner: "orderer", format: "ours", root: dir, channels: foldersIn(path.join(dir, "chains")) }
  if (kind !== undefined || !isGoFolder(dir)) return undefined
  const peer = path.join(dir, "chains", "chains")
  // an orderer may have a channel of that name
  if (isFolder(peer) && goBlockFiles(peer).length === 0)
    return { owner: "peer", format: "go", root: dir, channels: withGoBlocks(peer) }
  const channels = withGoBlocks(path.join(dir, "chains"))
  return channels.length === 0 ? undefined : { owner: "orderer", format: "go", root: dir, channels }
}

/**
 * The ledger in a folder: a peer's `fileSystemPath` or its `ledgersData`, an orderer's `FileLedger.Location`, or a
 * folder that holds exactly one of these two as Fabric's samples place them (`ledgersData`, `orderer`).
 * Errors: nothing there, both there, or a format that is newer than this program.
 */
export const findLedger = (given: string): Either.Either<LedgerRoot, LedgerToolFailed> => {
  const failed = (reason: string, remedy: string) => Either.left(new LedgerToolFailed({ reason, remedy }))
  try {
    if (!isFolder(given)) return failed(`there is no folder ${given}`, "")
    const here = ledgerAt(given)
    if (here !== undefined) return Either.right(here)
    const below = ["ledgersData", "orderer"].flatMap((name) => ledgerAt(path.join(given, name)) ?? [])
    const [first, second] = below
    if (first !== undefined && second !== undefined)
      return failed(
        `${given} holds a peer's and an orderer's ledger`,
        `name one of them: ${below.map(({ root }) => root).join(" or ")}`
      )
    if (first !== undefined) return Either.right(first)
    return failed(
      `there is no ledger in ${given}`,
      "name a peer's peer.fileSystemPath or an orderer's FileLedger.Location"
    )
  } catch (cause) {
    return failed(textOf(cause), "")
  }
}

/** LevelDB's lock files of a Go node. */
const locksOf = ({ owner, root }: LedgerRoot): ReadonlyArray<string> =>
  (owner === "peer" ? ["ledgerProvider", "chains/index", "stateLeveldb"] : ["index"]).map((name) =>
    path.join(root, name, "LOCK")
  )

/** Whether the process has the file open. */
const holds = (pid: number, file: fs.BigIntStats): boolean => {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const open = fs.statSync(`/proc/${pid}/fd/${fd}`, { bigint: true, throwIfNoEntry: false })
      return open?.ino === file.ino && open.dev === file.dev
    })
  } catch {
    return false // gone, or not ours to look at
  }
}

/** The process id of a Go node that works in the folder, where the system lets us see it (Linux, same machine). */
export const goNodeIn = (root: LedgerRoot): number | undefined => {
  let table: string
  try {
    table = fs.readFileSync("/proc/locks", "utf8")
  } catch {
    return undefined
  }
  const files = locksOf(root).flatMap((name) => fs.statSync(name, { bigint: true, throwIfNoEntry: false }) ?? [])
  for (const line of table.split("\n")) {
    const found = /^\d+: \S+\s+\S+\s+\S+\s+(\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+)\s/.exec(line)
    if (found === null) continue
    const file = files.find(({ ino }) => ino === BigInt(found[2] ?? "0"))
    if (file !== undefined && holds(Number(found[1]), file)) return Number(found[1])
  }
  return undefined
}

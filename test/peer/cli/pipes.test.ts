/** The programs as scripts use them: behind a pipe the whole answer arrives, however large it is and whoever reads it. */
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, existsSync, openSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { common, protos } from "../../../src/wire/index.js"
import { Endorser } from "../../../src/wire/services.js"
import { programHome, root, run } from "../../network/program.js"
import { node } from "../../transport/support.js"
import { tempFolder } from "../node/support.js"
import { userFolder } from "../support.js"

const home = programHome()
const payload = Buffer.alloc(3 << 20, "0123456789abcdef")

/** A peer that answers every proposal with a large payload. */
const large = Effect.gen(function* () {
  const { server } = yield* node()
  const answer = protos.ProposalResponse.encode({
    response: { status: 200, payload },
    endorsement: { endorser: Buffer.from("e"), signature: Buffer.from("s") }
  })
  yield* server.addService(Endorser, { ProcessProposal: () => Effect.succeed(answer) })
  yield* server.serve
  return server.address
})

type Stdio = ReadonlyArray<"ignore" | "pipe" | number>

const query = (address: string, stdio: Stdio): ChildProcess =>
  spawn(
    process.execPath,
    [join(home(), "peer.mjs"), "chaincode", "query", "-C", "c", "-n", "n", "-c", '{"Args":["f"]}'],
    {
      stdio: [...stdio],
      env: {
        PATH: process.env.PATH,
        FABRIC_CFG_PATH: join(root, "config"),
        CORE_PEER_ADDRESS: address,
        CORE_PEER_LOCALMSPID: "Org1MSP",
        CORE_PEER_MSPCONFIGPATH: userFolder("Org1MSP", "User1")
      }
    }
  )

const closed = (child: ChildProcess) =>
  Effect.promise(
    () => new Promise<number | string | null>((resolve) => child.once("close", (code, by) => resolve(by ?? code)))
  )

const collect = (stream: NodeJS.ReadableStream | null) => {
  const parts: Array<Buffer> = []
  stream?.on("data", (part: Buffer) => void parts.push(part))
  return () => Buffer.concat(parts).toString()
}

it.scopedLive(
  "an answer of 3 MiB is whole behind a pipe",
  () =>
    Effect.gen(function* () {
      const child = query(yield* large, ["ignore", "pipe", "pipe"])
      const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
      expect(yield* closed(child)).toBe(0)
      expect(stderr()).toBe("")
      expect(stdout().length).toBe(payload.length + 1)
    }),
  60_000
)

it.scopedLive(
  "a reader who leaves ends it without words",
  () =>
    Effect.gen(function* () {
      const child = query(yield* large, ["ignore", "pipe", "pipe"])
      const stderr = collect(child.stderr)
      child.stdout?.once("data", () => child.stdout?.destroy())
      expect([yield* closed(child), stderr()]).toEqual([141, ""])
    }),
  60_000
)

it.scopedLive.skipIf(!existsSync("/dev/full"))(
  "a full disk is told",
  () =>
    Effect.gen(function* () {
      const full = openSync("/dev/full", "w")
      const child = query(yield* large, ["ignore", full, "pipe"])
      closeSync(full)
      const stderr = collect(child.stderr)
      expect([yield* closed(child), stderr()]).toEqual([
        1,
        "Error: standard output cannot be written: ENOSPC: no space left on device, write\n"
      ])
    }),
  60_000
)

it.scopedLive(
  "a tool's output is whole behind a pipe",
  () =>
    Effect.gen(function* () {
      const dir = yield* tempFolder
      const block = join(dir, "envelope.pb")
      writeFileSync(block, common.Envelope.encode({ signature: new Uint8Array(payload) }))
      const tool = ["tools", "configtxlator", "proto_decode", "--type", "common.Envelope", "--input", block]
      const ended = yield* Effect.promise(() => run(join(home(), "network.mjs"), tool, dir))
      expect({ ...ended, stdout: "" }).toEqual({ code: 0, stdout: "", stderr: "" })
      expect(JSON.parse(ended.stdout)).toEqual({ payload: null, signature: payload.toString("base64") })
    }),
  60_000
)

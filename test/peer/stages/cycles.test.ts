/**
 * Peers started and stopped again and again in one process: nothing may stay behind. FABRIC_EFFECT_LONG asks for 200
 * cycles and prints the figures.
 */
import { readdirSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { beforeAll, expect } from "vitest"
import type { Signer } from "../../../src/msp/index.js"
import { PeerDeliver } from "../../../src/wire/services.js"
import { chainInfo, join, statusOf } from "../node/calls.js"
import { recordedBlocks, serveChain } from "../node/serveChain.js"
import { startPeer, tempFolder } from "../node/support.js"
import { genesisBlock, person } from "../support.js"

const cycles = process.env.FABRIC_EFFECT_LONG === undefined ? 6 : 200
const warm = process.env.FABRIC_EFFECT_LONG === undefined ? 3 : 20

let admin: Signer
beforeAll(async () => {
  admin = await person("Org1MSP", "Admin")
})

setFlagsFromString("--expose-gc")
const collect: unknown = runInNewContext("gc")

interface Held {
  readonly resources: Readonly<Record<string, number>>
  readonly listeners: number
  readonly files: number
  readonly heapMiB: number
  readonly rssMiB: number
}

/** What the process holds, garbage aside. */
const held = Effect.gen(function* () {
  for (let turn = 0; turn < 4; turn += 1) {
    yield* Effect.sleep("20 millis")
    if (typeof collect === "function") collect()
  }
  const resources: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
  const { heapUsed, rss } = process.memoryUsage()
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  const files = readdirSync("/proc/self/fd").length
  const mebibytes = (bytes: number) => Math.round((bytes / 1024 / 1024) * 10) / 10
  return { resources, listeners, files, heapMiB: mebibytes(heapUsed), rssMiB: mebibytes(rss) } satisfies Held
})

it.scopedLive(
  `${cycles} starts and stops leave no handle, listener, file or memory behind`,
  () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const orderer = yield* serveChain(recordedBlocks.slice(0, 5))
      // each in a fiber of its own, as programs and embedded networks do it: loggers stay with the fiber that set them

      const cycle = Effect.scoped(
        Effect.gen(function* () {
          const peer = yield* startPeer({ folder, orderer: orderer.address, spec: "error" })
          const client = yield* peer.connect()
          if (peer.table.list().length === 0) expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
          yield* peer.table.get("mychannel")?.pipeline.reached(5n) ?? Effect.die("not joined")
          expect((yield* chainInfo(client, admin)).height).toBe(5n)
          // a stream that waits is there when the peer stops
          yield* client.bidi(PeerDeliver.methods.DeliverFiltered)
        })
      )
      const once = Effect.promise(() => Effect.runPromise(cycle))
      for (let turn = 0; turn < warm; turn += 1) yield* once
      // grpc keeps a server that has ended for the fifteen seconds of its draining; over 200 cycles that shows
      if (cycles > 100) yield* Effect.sleep("17 seconds")
      const before = yield* held
      for (let turn = 0; turn < cycles; turn += 1) yield* once
      if (cycles > 100) yield* Effect.sleep("17 seconds")
      const after = yield* held
      console.log(JSON.stringify({ cycles, before, after }))
      // timers come and go with what the runtime does in the background; all else is counted
      const lasting = ({ resources }: Held) =>
        Object.fromEntries(Object.entries(resources).filter(([name]) => name !== "Timeout" && name !== "Immediate"))
      expect(lasting(after)).toEqual(lasting(before))
      expect(after.resources.Timeout ?? 0).toBeLessThanOrEqual((before.resources.Timeout ?? 0) + 5)
      expect(after.listeners).toBe(before.listeners)
      expect(after.files).toBe(before.files)
      expect(after.heapMiB - before.heapMiB).toBeLessThan(8)
    }),
  60_000 + cycles * 10_000
)

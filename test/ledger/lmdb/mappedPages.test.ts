import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { Batch, openEnvironment } from "../../../src/ledger/lmdb/index.js"
import { databaseMaps, limitMappedPages } from "../../../src/ledger/lmdb/mappedPages.js"
import { tempDir } from "../support.js"

const MiB = 2 ** 20

describe("maps of databases", () => {
  const folder = "/var/peer/ledgersData"
  const maps = [
    "55e0a0000000-55e0a2000000 r-xp 00000000 fe:00 100                        /usr/bin/node",
    "7f0000000000-7f1000000000 r--s 00000000 fe:00 101                        /var/peer/ledgersData/channels/ch/db/data.mdb",
    "7f1000000000-7f1000002000 rw-s 00000000 fe:00 102                        /var/peer/ledgersData/channels/ch/db/lock.mdb",
    "7f2000000000-7f3000000000 rw-s 00000000 fe:00 103                        /var/peer/ledgersData/channels/b/db/data.mdb",
    "7f4000000000-7f5000000000 r--s 00000000 fe:00 104                        /var/peer/ledgersData2/channels/ch/db/data.mdb",
    "7f6000000000-7f6000001000 r--s 00000000 fe:00 105                        /var/peer/ledgersData/with space/data.mdb",
    "7f7000000000-7f7000001000 r--s 00000000 fe:00 106                        /var/peer/ledgersData/gone/data.mdb (deleted)",
    "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]",
    ""
  ].join("\n")

  it("are those of the folder that cannot be written through", () => {
    expect(databaseMaps(maps, folder)).toEqual([
      { start: 0x7f0000000000n, length: 0x1000000000n },
      { start: 0x7f6000000000n, length: 0x1000n }
    ])
  })
})

describe.skipIf(process.platform !== "linux")("pages that were read", () => {
  const resident = (folder: string): number => {
    const parts = fs.readFileSync("/proc/self/smaps", "latin1").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
    const ours = parts.filter((part) => part.split("\n", 1)[0]?.endsWith(`${folder}/db/data.mdb`))
    return ours.reduce((sum, part) => sum + Number(/^Rss:\s*(\d+) kB/m.exec(part)?.[1] ?? 0) * 1024, 0)
  }

  it.scopedLive("are given back above the limit, and read again with the same content", () =>
    Effect.gen(function* () {
      const made = fs.realpathSync(yield* tempDir)
      const environment = yield* openEnvironment({ path: path.join(made, "db"), tables: ["t"], sync: "never" })
      const table = environment.table("t")
      const count = 4_000
      const value = (n: number) => Buffer.alloc(6_000, `value ${n} `)
      const batch = new Batch()
      for (let n = 0; n < count; n++) batch.put(table, Buffer.from(`key${n}`), value(n))
      environment.commit(batch)
      const snapshot = environment.snapshot()
      const readAll = () => {
        for (let n = 0; n < count; n++) {
          const found = snapshot.get(table, Buffer.from(`key${n}`))
          if (found === undefined || Buffer.compare(found, value(n)) !== 0) throw new Error(`key${n} reads differently`)
        }
      }
      yield* limitMappedPages({ folder: made, limit: 8 * MiB })
      readAll()
      expect(resident(made)).toBeGreaterThan(20 * MiB)
      yield* Effect.sync(() => resident(made)).pipe(
        Effect.repeat({ schedule: Schedule.spaced("5 millis"), until: (bytes) => bytes < MiB }),
        Effect.timeout("20 seconds")
      )
      readAll()
      expect(resident(made)).toBeGreaterThan(20 * MiB)
    })
  )
})

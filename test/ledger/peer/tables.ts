/** All tables of a channel's database, to compare two of them entry by entry. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { openEnvironment } from "../../../src/ledger/lmdb/index.js"

export const tables: ReadonlyArray<string> = [
  ..."blocks hashes txids blockmeta state hashedstate privatestate statemeta history historymeta".split(" "),
  ..."confighistory pvtdata pvtexpiry pvtmissing pvtineligible pvteligibility pvtmeta purgeschedule".split(" ")
]

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Entries by table, as `key=value` in hex. The ledger must be closed. */
export const everything = (root: string, channelId = "ch") =>
  Effect.scoped(
    Effect.gen(function* () {
      const environment = yield* openEnvironment({ path: path.join(root, "channels", channelId, "db"), tables })
      const snapshot = environment.snapshot()
      const found = new Map<string, ReadonlyArray<string>>()
      for (const name of tables) {
        const entries: Array<string> = []
        const cursor = snapshot.range(environment.table(name))
        for (let entry = cursor.next(); entry !== undefined; entry = cursor.next())
          entries.push(`${hex(entry.key)}=${hex(entry.value)}`)
        found.set(name, entries)
      }
      snapshot.close()
      return found
    })
  )

/**
 * kill -9 while blocks go into CouchDB, again and again: after each restart CouchDB holds the state of the last block and
 * of no other, and rich queries find what state has. Against COUCHDB_URL, else express-pouchdb.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import type { PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import { runAndKill } from "../killing.js"
import { run, tempDir } from "../support.js"
import { asked } from "./asking.js"
import { commitNextDocuments, openCouchEndless } from "./endless.js"
import { connect, type TestServer, testServer, which } from "./server.js"

const kills = process.env.FABRIC_EFFECT_LONG === "1" ? 20 : 3
const child = path.join(import.meta.dirname, "killed.child.ts")

type Found = ReadonlyArray<readonly [key: string, value: string]>

const sorted = (found: Found): Found => [...found].sort(([a], [b]) => (a < b ? -1 : 1))

/** Block of the savepoint document, as a client of CouchDB sees it. */
const savepoint = (server: TestServer) =>
  Effect.map(
    Effect.promise(() => server.ask("GET", "ch_/statedb_savepoint")),
    (document) => Number(Object(document).BlockNum)
  )

const everything = JSON.stringify({ selector: { block: { $gte: 0 } } })

const expectSame = (ledger: PeerLedgerShape, server: TestServer) =>
  Effect.gen(function* () {
    for (const namespace of ["cc", "dd"]) {
      const held = yield* asked(ledger, (sim) => sim.getStateRange(namespace, "", ""))
      expect(sorted(yield* asked(ledger, (sim) => sim.executeQuery(namespace, everything))), namespace).toEqual(held)
      const mine = held.filter(([, value]) => value.includes('"owner":"o1"'))
      const owned = yield* asked(ledger, (sim) => sim.executeQuery(namespace, '{"selector":{"owner":"o1"}}'))
      expect(sorted(owned), `${namespace} by owner`).toEqual(mine)
    }
    const secrets = yield* asked(ledger, (sim) => sim.getPrivateDataRange("cc", "coll", "", ""))
    const found = yield* asked(ledger, (sim) => sim.executeQueryOnPrivateData("cc", "coll", everything))
    expect(sorted(found), "private data").toEqual(secrets)
    expect(yield* savepoint(server)).toBe(Number(ledger.height()) - 1)
  })

describe(`a peer with CouchDB that is killed again and again (${which})`, () => {
  it(
    `${kills} times: CouchDB has the last block's state, and rich queries find what state has`,
    () =>
      run(
        Effect.gen(function* () {
          const root = path.join(yield* tempDir, "ledgersData")
          const server = yield* testServer
          let shown = 0
          for (let i = 0; i < kills; i++) {
            const settings = JSON.stringify(server.settings)
            const { first, last } = yield* Effect.promise(() =>
              // a commit waits for CouchDB most of its time, so kills fall between its requests
              runAndKill(child, [root, settings], 4 + ((i * 5) % 9), 60)
            )
            expect(first).toBeGreaterThanOrEqual(shown)
            shown = last
            yield* Effect.scoped(
              Effect.gen(function* () {
                const ledger = yield* openCouchEndless(root, yield* connect(server))
                expect(Number(ledger.height())).toBeGreaterThanOrEqual(shown)
                yield* expectSame(ledger, server)
                if (i === kills - 1) {
                  yield* commitNextDocuments(ledger)
                  yield* expectSame(ledger, server)
                }
              })
            )
          }
          expect(shown).toBeGreaterThan(kills * 2)
        })
      ),
    kills * 300_000
  )
})

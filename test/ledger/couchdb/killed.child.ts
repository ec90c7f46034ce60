/** Commits until it is killed; says each height that is visible. Arguments: root, the settings of CouchDB as JSON. */
import * as Effect from "effect/Effect"
import { CouchInstance } from "../../../src/ledger/couchdb/index.js"
import { disabled } from "../../../src/runtime/Metrics.js"
import { commitNextDocuments, openCouchEndless } from "./endless.js"

const program = Effect.gen(function* () {
  const couch = yield* CouchInstance.make(JSON.parse(process.argv[3] ?? "{}"), disabled)
  const ledger = yield* openCouchEndless(process.argv[2] ?? "", couch)
  process.stdout.write(`${ledger.height()}\n`)
  for (;;) {
    yield* commitNextDocuments(ledger)
    process.stdout.write(`${ledger.height()}\n`)
  }
})

Effect.runPromise(Effect.scoped(program)).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
})

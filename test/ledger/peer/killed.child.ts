/** Commits until it is killed; says each height that is visible. Arguments: root. */
import * as Effect from "effect/Effect"
import { commitNext, openEndless } from "./endless.js"

const program = Effect.gen(function* () {
  const ledger = yield* openEndless(process.argv[2] ?? "")
  process.stdout.write(`${ledger.height()}\n`)
  for (;;) {
    yield* commitNext(ledger)
    process.stdout.write(`${ledger.height()}\n`)
  }
})

Effect.runPromise(Effect.scoped(program)).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
})

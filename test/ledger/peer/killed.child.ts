/** Commits until it is killed; says each height that is visible. Arguments: root, folder of the blocks. */
import * as Effect from "effect/Effect"
import { commitSigned, openSigned } from "./signed.js"

const [root = "", folder = ""] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const ledger = yield* openSigned(root, folder)
  process.stdout.write(`${ledger.height()}\n`)
  for (;;) {
    yield* commitSigned(ledger, folder)
    process.stdout.write(`${ledger.height()}\n`)
  }
})

Effect.runPromise(Effect.scoped(program)).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
})

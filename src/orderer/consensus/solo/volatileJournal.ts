/** The journal of a ledger that forgets (type `ram`): sequences without a disk, as Go's solo works on any ledger. */
import * as Effect from "effect/Effect"
import type { Journal } from "./Journal.js"
import type { JournalEntry } from "./journalFormat.js"

export const volatileJournal = (sink: (entries: ReadonlyArray<JournalEntry>) => void): Journal => {
  let sequence = 0
  return {
    replay: [],
    append: (inputs) =>
      Effect.sync(() =>
        sink(
          inputs.map(({ configSequence, envelope, kind }) => ({ kind, sequence: ++sequence, configSequence, envelope }))
        )
      ),
    cut: () => Effect.void,
    written: () => {},
    probe: Effect.void
  }
}

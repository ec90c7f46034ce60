/** The journal of a ledger that forgets (type `ram`): sequences without a disk, as Go's solo works on any ledger. */
import * as Effect from "effect/Effect"
import { appending, type Journal } from "./Journal.js"
import type { JournalEntry } from "./journalFormat.js"

export const volatileJournal = (sink: (entries: ReadonlyArray<JournalEntry>) => void): Journal => {
  let sequence = 0
  const record: Journal["record"] = (inputs, done) => {
    sink(inputs.map(({ configSequence, envelope, kind }) => ({ kind, sequence: ++sequence, configSequence, envelope })))
    queueMicrotask(() => done(undefined))
  }
  return {
    replay: [],
    record,
    append: appending(record),
    cut: () => Effect.void,
    written: () => {},
    probe: Effect.void
  }
}

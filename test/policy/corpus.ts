/** Recorded cases: one JSON value a line. */
import { readFileSync } from "node:fs"

export const readCases = <A>(file: URL): ReadonlyArray<A> =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

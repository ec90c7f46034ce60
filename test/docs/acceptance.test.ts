/** docs/acceptance.md names tests: each file exists and holds each name; each check of the sheet has a line. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"

const root = join(import.meta.dirname, "..", "..")
const rows = readFileSync(join(root, "docs", "acceptance.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && line.includes("`test/"))

/** What a row names: a file, then quoted names until the next file. */
const named = (row: string): ReadonlyArray<{ readonly file: string; readonly names: ReadonlyArray<string> }> =>
  row
    .split("`test/")
    .slice(1)
    .map((part) => ({
      file: `test/${part.slice(0, part.indexOf("`"))}`,
      names: [...part.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => name)
    }))

describe("docs/acceptance.md", () => {
  it("has a line for each of the 28 checks of gossip-discovery.md", () => {
    const numbers = rows.flatMap((row) => /^\| (\d+) /.exec(row)?.[1] ?? []).map(Number)
    expect(numbers).toEqual(Array.from({ length: 28 }, (_, i) => i + 1))
  })

  it("names tests that are there", () => {
    for (const row of rows)
      for (const { file, names } of named(row)) {
        const source = readFileSync(join(root, file), "utf8")
        expect(names.length, `${file} in: ${row.slice(0, 40)}`).toBeGreaterThan(0)
        for (const name of names) expect(source.includes(name), `${file}: ${name}`).toBe(true)
      }
  })
})

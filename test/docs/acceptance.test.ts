/** docs/acceptance.md names tests: each file exists and holds each name; each check of a sheet has a line. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"

const root = join(import.meta.dirname, "..", "..")

/** Rows by sheet. */
const sheets = new Map(
  readFileSync(join(root, "docs", "acceptance.md"), "utf8")
    .split("\n## ")
    .slice(1)
    .map((section): [string, ReadonlyArray<string>] => {
      const [name = "", ...lines] = section.split("\n")
      return [name, lines.filter((line) => /^\| \d/.test(line))]
    })
)

/** What a row names: a file, then quoted names until the next file; none: all of it. */
const named = (row: string): ReadonlyArray<{ readonly file: string; readonly names: ReadonlyArray<string> }> =>
  row
    .split("`test/")
    .slice(1)
    .map((part) => ({
      file: `test/${part.slice(0, part.indexOf("`"))}`,
      names: [...part.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => name)
    }))

/** The checks that a row is about: `1`, or `6, 7`. */
const checksOf = (row: string): ReadonlyArray<number> =>
  (/^\| (\d+(?:, \d+)*)/.exec(row)?.[1] ?? "").split(", ").map(Number)

describe("docs/acceptance.md", () => {
  it.each([
    ["gossip-discovery.md", 28],
    ["ledger-privatedata.md", 25],
    ["peer-endorse-validate.md", 30],
    ["chaincode.md", 25],
    ["orderer.md", 28],
    ["identity-policy-config.md", 29]
  ])("has a line for each check of %s", (sheet, checks) => {
    expect(sheets.get(sheet)?.flatMap(checksOf)).toEqual(Array.from({ length: checks }, (_, i) => i + 1))
  })

  it("names tests that are there", () => {
    for (const row of [...sheets.values()].flat()) {
      expect(named(row).length, row.slice(0, 60)).toBeGreaterThan(0)
      for (const { file, names } of named(row)) {
        const source = readFileSync(join(root, file), "utf8")
        for (const name of names) expect(source.includes(name), `${file}: ${name}`).toBe(true)
      }
    }
  })
})

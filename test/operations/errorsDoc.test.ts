/** docs/errors.md is what the sources say, and names no error or stage that is not there. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { expect, it } from "vitest"

it("docs/errors.md is current", () => {
  const script = join(import.meta.dirname, "../../scripts/generate-errors-doc.mjs")
  const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" })
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" })
})

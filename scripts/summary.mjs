// Reads vitest's JSON report: lists what was skipped with its reason, then prints the closing line "N passed, N failed".
import { readFileSync } from "node:fs"

const report = JSON.parse(readFileSync(process.argv[2], "utf8"))
const tests = report.testResults.flatMap((file) => file.assertionResults.map((test) => ({ ...test, file: file.name })))
const skipped = tests.filter((test) => test.status === "pending" || test.status === "skipped" || test.status === "todo")
for (const test of skipped) console.log(`skipped: ${test.fullName}`)
// A file that could not be loaded has failed though it counted no test.
const broken = report.testResults.filter(
  (file) => file.status === "failed" && file.assertionResults.every((t) => t.status !== "failed")
)
for (const file of broken) console.log(`failed to run: ${file.name} ${file.message ?? ""}`)
const failed = tests.filter((test) => test.status === "failed").length + broken.length
const passed = tests.filter((test) => test.status === "passed").length
console.log(`${passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ""}`)
process.exit(failed > 0 || passed === 0 ? 1 : 0)

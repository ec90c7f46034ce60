/**
 * The broker's jars: named in pom.xml, brought by mvn into a folder that git ignores, once. Not a test.
 */
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"

const root = path.join(import.meta.dirname, "../..")

/** Where the jars are; there when `findLibs` says so. */
export const libsFolder = path.join(root, ".tmp/kafka-libs")

const has = (command: string, ...args: ReadonlyArray<string>): boolean =>
  spawnSync(command, [...args], { stdio: "ignore" }).status === 0

/** Brings the jars unless they are there. In: how long mvn may take. Out: what is missing, if so. */
export const findLibs = (limitMs = 240_000): string | undefined => {
  if (!has("java", "-version")) return "no java"
  if (fs.existsSync(libsFolder)) return undefined
  if (!has("mvn", "--version")) return "no mvn"
  fs.mkdirSync(path.dirname(libsFolder), { recursive: true })
  const folder = fs.mkdtempSync(`${libsFolder}-`)
  try {
    const pom = path.join(import.meta.dirname, "pom.xml")
    const args = ["-q", "-B", "-f", pom, "dependency:copy-dependencies", `-DoutputDirectory=${folder}`]
    execFileSync("mvn", args, { timeout: limitMs, stdio: ["ignore", "ignore", "pipe"] })
    fs.renameSync(folder, libsFolder) // whole or not at all
    return undefined
  } catch (error) {
    if (fs.existsSync(libsFolder)) return undefined // another process was faster
    return `mvn cannot bring the broker: ${error instanceof Error ? error.message.split("\n", 1)[0] : String(error)}`
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

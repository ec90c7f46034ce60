import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { lockFolder } from "../../../src/ledger/lmdb/index.js"
import { inScope, run, tempDir } from "../support.js"

const holder = `
const net = require("node:net")
net.createServer((s) => s.end("other")).listen(process.argv[1], () => process.stdout.write("held"))
`

describe("lockFolder", () => {
  it("lets one in at a time and frees the folder with the scope", () =>
    run(
      Effect.gen(function* () {
        const dir = yield* tempDir
        const first = yield* Effect.promise(() => inScope(lockFolder(dir)))
        const error = yield* Effect.flip(Effect.scoped(lockFolder(dir)))
        expect(error._tag).toBe("FolderLocked")
        expect(error.message).toContain("as another peer node command is executing")
        yield* Effect.promise(first.close)
        yield* Effect.scoped(lockFolder(dir))
      })
    ))

  it("refuses while another process holds it and takes over when that one is killed", () =>
    run(
      Effect.gen(function* () {
        const dir = yield* tempDir
        const child = spawn(process.execPath, ["-e", holder, path.join(dir, "LOCK")])
        yield* Effect.promise(() => new Promise((resolve) => child.stdout.once("data", resolve)))
        expect((yield* Effect.flip(Effect.scoped(lockFolder(dir))))._tag).toBe("FolderLocked")
        const ended = new Promise((resolve) => child.once("exit", resolve))
        child.kill("SIGKILL")
        yield* Effect.promise(() => ended)
        expect(fs.existsSync(path.join(dir, "LOCK"))).toBe(true)
        yield* Effect.scoped(lockFolder(dir))
      })
    ))

  it("works in folders whose path is longer than a socket's may be", () =>
    run(
      Effect.gen(function* () {
        const dir = path.join(yield* tempDir, "d".repeat(120))
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* lockFolder(dir)
            expect((yield* Effect.flip(Effect.scoped(lockFolder(dir))))._tag).toBe("FolderLocked")
          })
        )
      })
    ))
})

/**
 * One process per data folder. The lock is a listening socket in the folder: the kernel drops it with the process, so a
 * killed node leaves nothing that a person must clean up, and it holds across containers that share the volume (process
 * ids would not). The path goes through /proc/self/fd where there is one, since socket paths end at 107 bytes.
 */

import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as net from "node:net"
import * as nodePath from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Log from "../../runtime/Log.js"
import { FolderLocked, LmdbOpenFailed } from "./errors.js"

const log = Log.module("ledger.lock")
const fileName = "LOCK"

interface Held {
  readonly server: net.Server | undefined
  readonly folder: number | undefined
}

/** The socket's path in a form short enough to bind. */
const shortPath = (dir: string): { readonly path: string; readonly folder: number | undefined } => {
  const direct = nodePath.join(dir, fileName)
  if (Buffer.byteLength(direct) < 100) return { path: direct, folder: undefined }
  const folder = fs.openSync(dir, "r")
  return { path: `/proc/self/fd/${folder}/${fileName}`, folder }
}

/** What answers at the socket: its token, or undefined when nobody listens. */
const ask = (path: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = net.connect(path)
    let answer = ""
    let open = false
    socket.setTimeout(2000, () => socket.destroy())
    socket.on("connect", () => {
      open = true
    })
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1")
    })
    socket.on("error", () => {})
    socket.on("close", () => resolve(open ? answer : undefined))
  })

const listen = (path: string, token: string): Promise<net.Server> =>
  new Promise((resolve, reject) => {
    const server = net.createServer((socket) => {
      socket.on("error", () => {})
      socket.end(token)
    })
    server.once("error", reject)
    server.listen(path, () => {
      server.off("error", reject)
      server.on("error", () => {})
      server.unref()
      resolve(server)
    })
  })

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : ""

const acquire = async (dir: string): Promise<Held | "locked" | "unsupported"> => {
  fs.mkdirSync(dir, { recursive: true })
  const { path, folder } = shortPath(dir)
  const release = () => {
    if (folder !== undefined) fs.closeSync(folder)
  }
  const token = randomBytes(16).toString("hex")
  try {
    return { server: await listen(path, token), folder }
  } catch (cause) {
    if (codeOf(cause) !== "EADDRINUSE") {
      release()
      if (["ENOTSUP", "EOPNOTSUPP", "EPERM", "EINVAL", "ENOSYS"].includes(codeOf(cause))) return "unsupported"
      throw cause
    }
  }
  if (fs.lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false) {
    release()
    throw new Error(`${nodePath.join(dir, fileName)} is another program's lock file`)
  }
  if ((await ask(path)) !== undefined) {
    release()
    return "locked"
  }
  // left behind by a killed process; another starter may see the same, so look again who answers in the end
  try {
    fs.unlinkSync(path)
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") {
      release()
      throw cause // the folder cannot be written
    }
  }
  let server: net.Server
  try {
    server = await listen(path, token)
  } catch {
    release()
    return "locked"
  }
  await new Promise((resolve) => setTimeout(resolve, 20))
  if ((await ask(path)) === token) return { server, folder }
  server.close()
  release()
  return "locked"
}

/** Holds the folder for the scope; fails with FolderLocked while another process (or another node here) holds it. */
export const lockFolder = (dir: string): Effect.Effect<void, FolderLocked | LmdbOpenFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: () => acquire(dir),
      catch: (cause) => new LmdbOpenFailed({ path: dir, cause })
    }).pipe(
      Effect.flatMap((held): Effect.Effect<Held, FolderLocked> => {
        if (held === "locked") return Effect.fail(new FolderLocked({ path: nodePath.join(dir, fileName) }))
        if (held === "unsupported")
          return Effect.as(log.warning(`the file system of ${dir} has no sockets: the folder is not locked`), {
            server: undefined,
            folder: undefined
          })
        return Effect.succeed(held)
      })
    ),
    (held) =>
      Effect.async<void>((resume) => {
        const done = () => {
          if (held.folder !== undefined) fs.closeSync(held.folder)
          resume(Effect.void)
        }
        if (held.server === undefined) done()
        else held.server.close(done)
      })
  ).pipe(Effect.asVoid)

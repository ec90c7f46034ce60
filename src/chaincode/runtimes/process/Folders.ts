/**
 * The launcher's folders below the peer's: builds and shared dependencies (written once, then renamed into place),
 * private TLS files, marks of running processes. With a user of their own for chaincode, builds belong to the peer and
 * can only be read, TLS files belong to the chaincode's user.
 */
import { randomUUID } from "node:crypto"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type { DiskFailed } from "./errors.js"
import { disk } from "./errors.js"

export interface User {
  readonly uid: number | undefined
  readonly gid: number | undefined
}

/** Whether something is there. */
export const exists = (place: string): Promise<boolean> =>
  fs.access(place).then(
    () => true,
    () => false
  )

/** Gives a tree to an owner and lets everyone read it. Links are left alone. */
const publish = async (place: string, uid: number, gid: number): Promise<void> => {
  const stat = await fs.lstat(place)
  if (stat.isSymbolicLink()) return fs.lchown(place, uid, gid)
  await fs.chown(place, uid, gid)
  const readable = stat.mode | 0o444 | (stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o111 : 0)
  await fs.chmod(place, readable & 0o755)
  if (!stat.isDirectory()) return
  for (const entry of await fs.readdir(place)) await publish(path.join(place, entry), uid, gid)
}

export class Folders {
  readonly builds: string
  readonly modules: string
  readonly marks: string
  readonly home: string
  private readonly tls: string

  constructor(
    readonly root: string,
    private readonly user: User
  ) {
    this.builds = path.join(root, "builds")
    this.modules = path.join(root, "modules")
    this.marks = path.join(root, "running")
    this.home = path.join(root, "home")
    this.tls = path.join(root, "tls")
  }

  /** Makes what is missing and removes unfinished builds of an earlier run. */
  readonly open: Effect.Effect<void, DiskFailed> = disk(() => this.makeFolders())

  private async makeFolders(): Promise<void> {
    await fs.rm(this.tls, { recursive: true, force: true }) // the authority that they came from is gone
    for (const folder of [this.root, this.builds, this.modules, this.tls]) {
      await fs.mkdir(folder, { recursive: true, mode: 0o711 })
    }
    await fs.mkdir(this.marks, { recursive: true, mode: 0o700 })
    await fs.mkdir(this.home, { recursive: true, mode: 0o700 })
    await this.give(this.home)
    for (const folder of [this.builds, this.modules]) {
      for (const entry of await fs.readdir(folder)) {
        if (entry.startsWith(".unfinished-")) await fs.rm(path.join(folder, entry), { recursive: true, force: true })
      }
    }
  }

  /** Fills `<parent>/<key>` by way of a folder beside it, unless it is there. The result is the finished folder. */
  once<E>(
    parent: string,
    key: string,
    fill: (folder: string) => Effect.Effect<void, E>
  ): Effect.Effect<string, E | DiskFailed> {
    const finished = path.join(parent, key)
    const unfinished = path.join(parent, `.unfinished-${randomUUID()}`)
    const { uid } = this.user
    const build = Effect.gen(function* () {
      yield* disk(() => fs.mkdir(unfinished, { mode: 0o755 }))
      yield* fill(unfinished)
      if (uid !== undefined) {
        yield* disk(() => publish(unfinished, process.getuid?.() ?? 0, process.getgid?.() ?? 0))
      }
      yield* disk(() => fs.rename(unfinished, finished))
      return finished
    }).pipe(Effect.onError(() => Effect.ignore(disk(() => fs.rm(unfinished, { recursive: true, force: true })))))
    return Effect.flatMap(
      disk(() => exists(finished)),
      (there) => (there ? Effect.succeed(finished) : build)
    )
  }

  /** Hands a folder or file to the chaincode's user, where there is one. */
  async give(place: string): Promise<void> {
    const { gid, uid } = this.user
    if (uid === undefined && gid === undefined) return
    const stat = await fs.stat(place)
    await fs.chown(place, uid ?? stat.uid, gid ?? stat.gid)
  }

  /** The same for a whole tree. */
  async giveTree(place: string): Promise<void> {
    await this.give(place)
    for (const entry of await fs.readdir(place, { withFileTypes: true })) {
      const inner = path.join(place, entry.name)
      await (entry.isDirectory() ? this.giveTree(inner) : this.give(inner))
    }
  }

  /** Writes the files of one process that nobody else may read; the result is their folder. */
  async privateFiles(name: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
    const folder = path.join(this.tls, name)
    await fs.mkdir(folder, { mode: 0o700 })
    for (const [file, content] of Object.entries(files)) {
      const place = path.join(folder, file)
      await fs.writeFile(place, content, { mode: 0o600, flag: "wx" })
      await this.give(place)
    }
    await this.give(folder)
    return folder
  }

  async removePrivateFiles(name: string): Promise<void> {
    await fs.rm(path.join(this.tls, name), { recursive: true, force: true })
  }
}

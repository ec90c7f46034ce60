/**
 * What another user of this machine could read of the peer's: with `vm.process.uid` chaincode is such a user. Mode bits of
 * every folder on the way count. Source: issue 7 part 2.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { type DiskFailed, disk } from "./errors.js"

/** Who chaincode runs as. */
export interface ChaincodeUser {
  readonly uid: number
  readonly gid: number
}

/** Keys of the peer lie open to chaincode, although it runs as another user. */
export class KeysExposed extends Data.TaggedError("KeysExposed")<{
  readonly files: ReadonlyArray<string>
  readonly uid: number
}> {
  override get message() {
    return `vm.process.uid ${this.uid}: this user can read the peer's keys: ${this.files.join(", ")}`
  }
}

const READ = 0o4
const ENTER = 0o1

/** Whether the mode bits give a user a right. */
const grants = (
  stat: { readonly uid: number; readonly gid: number; readonly mode: number },
  { gid, uid }: ChaincodeUser,
  right: number
): boolean => {
  if (uid === 0) return true
  const shift = stat.uid === uid ? 6 : stat.gid === gid ? 3 : 0
  return ((stat.mode >> shift) & right) !== 0
}

/** Whether a user can read a file or list a folder; false for what is not there. Links are followed. */
export const canRead = async (place: string, user: ChaincodeUser): Promise<boolean> => {
  try {
    const real = await fs.realpath(place)
    for (let folder = path.dirname(real); ; folder = path.dirname(folder)) {
      if (!grants(await fs.stat(folder), user, ENTER)) return false
      if (folder === path.dirname(folder)) break
    }
    return grants(await fs.stat(real), user, READ)
  } catch {
    return false
  }
}

const filesOf = async (place: string): Promise<ReadonlyArray<string>> => {
  const stat = await fs.stat(place).catch(() => undefined)
  if (stat === undefined) return []
  if (!stat.isDirectory()) return [place]
  return (await fs.readdir(place)).map((name) => path.join(place, name))
}

/** What is kept from chaincode. */
export interface Secrets {
  /** Folders of the peer's own making: closed to everyone else. */
  readonly folders: ReadonlyArray<string>
  /** Files or folders of keys: looked at only, for they are the operator's. */
  readonly keys: ReadonlyArray<string>
}

/** Closes the peer's folders; fails when the chaincode's user can read a key all the same. */
export const seal = ({ folders, keys }: Secrets, user: ChaincodeUser): Effect.Effect<void, KeysExposed | DiskFailed> =>
  Effect.gen(function* () {
    yield* disk(async () => {
      for (const folder of folders) {
        const stat = await fs.stat(folder).catch(() => undefined)
        if (stat !== undefined) await fs.chmod(folder, stat.mode & 0o700)
      }
    })
    const open = yield* disk(async () => {
      const found: Array<string> = []
      for (const place of keys) for (const file of await filesOf(place)) if (await canRead(file, user)) found.push(file)
      return found
    })
    if (open.length > 0) return yield* new KeysExposed({ files: open, uid: user.uid })
  })

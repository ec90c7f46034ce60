/**
 * The names of a file's user and group, which Go's archive writer takes from the system into the archives of code
 * packages. Client side. Source: Go's archive/tar (FileInfoHeader), os/user.
 */
import { readFileSync } from "node:fs"
import { stat } from "node:fs/promises"
import { userInfo } from "node:os"
import type { OwnerNames } from "./tarWriter.js"

/** Names by number of a file like /etc/passwd; none where there is no such file. */
const namesOf = (file: string): ReadonlyMap<number, string> => {
  const names = new Map<number, string>()
  try {
    for (const line of readFileSync(file, "utf8").split("\n")) {
      const [name = "", , id = ""] = line.split(":")
      if (/^\d+$/.test(id) && name !== "" && !names.has(Number(id))) names.set(Number(id), name)
    }
  } catch {
    // no such file: no names
  }
  return names
}

/** The caller's own name, which may come from elsewhere than a file. */
const ownName = (): readonly [number, string] | undefined => {
  try {
    const { uid, username } = userInfo()
    return [uid, username]
  } catch {
    return undefined
  }
}

/** Looks names up; what has none is empty. Rejects when the file cannot be looked at. */
export const ownerReader = (): ((file: string) => Promise<OwnerNames>) => {
  const users = new Map([ownName()].flatMap((own) => (own === undefined ? [] : [own])))
  for (const [id, name] of namesOf("/etc/passwd")) users.set(id, name)
  const groups = namesOf("/etc/group")
  return async (file) => {
    const { gid, uid } = await stat(file)
    return { user: users.get(uid) ?? "", group: groups.get(gid) ?? "" }
  }
}

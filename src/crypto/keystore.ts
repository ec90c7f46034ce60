/**
 * Finding a private key in a key store folder by subject key identifier (sheet rule 5; bccsp/sw/fileks.go). Reads the
 * disk synchronously: this runs once per process start, and in command line tools.
 */
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import * as Either from "effect/Either"
import { hex, sameBytes, view } from "./der.js"
import { KeyNotFound } from "./errors.js"
import { type PrivateKey, parsePrivateKeyPem, type RsaPrivateKey } from "./privateKey.js"

/** Files above this size are not tried (octets). */
const LARGEST_KEY_FILE = 1 << 16

const byBytes = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right))

/** Makes the folder, with its parents, when it is not there (mode 0755). */
export const createKeyStore = (directory: string): void => {
  mkdirSync(directory, { recursive: true, mode: 0o755 })
}

/**
 * The key whose SKI this is: first the file that is named after it, else any regular file of at most 64 KiB whose first
 * PEM block holds it. A file that carries the name but no readable key ends the search, as in Go.
 */
export const findKey = (directory: string, ski: Uint8Array): Either.Either<PrivateKey | RsaPrivateKey, KeyNotFound> => {
  const wanted = hex(ski)
  const missing = (detail?: string) =>
    Either.left(new KeyNotFound({ ski: wanted, directory, ...(detail === undefined ? {} : { detail }) }))
  const names = listing(directory)
  const named = names.find((name) => name.startsWith(wanted))
  if (named?.endsWith("sk") === true) {
    const content = contentOf(join(directory, `${wanted}_sk`))
    const key = content === undefined ? undefined : parsePrivateKeyPem(content)
    if (key === undefined) return missing(`Failed loading secret key [${wanted}] [cannot read ${wanted}_sk]`)
    return Either.mapLeft(
      key,
      (error) =>
        new KeyNotFound({ ski: wanted, directory, detail: `Failed loading secret key [${wanted}] [${error.detail}]` })
    )
  }
  for (const name of names) {
    const path = join(directory, name)
    if (!isSmallFile(path)) continue
    const content = contentOf(path)
    const key = content === undefined ? undefined : parsePrivateKeyPem(content)
    if (key !== undefined && Either.isRight(key) && sameBytes(key.right.ski, ski)) return Either.right(key.right)
  }
  return missing()
}

const listing = (directory: string): ReadonlyArray<string> => {
  try {
    return readdirSync(directory).sort(byBytes)
  } catch {
    return []
  }
}

const isSmallFile = (path: string): boolean => {
  try {
    const found = statSync(path)
    return found.isFile() && found.size <= LARGEST_KEY_FILE
  } catch {
    return false
  }
}

const contentOf = (path: string): Uint8Array | undefined => {
  try {
    return view(readFileSync(path))
  } catch {
    return undefined
  }
}

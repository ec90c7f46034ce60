/**
 * Writes the archives of code packages: headers without variance (zero time, mode 0100644, owner 500), so that the same
 * files give the same bytes everywhere. Source: chaincode.md R73; core/container/util/writer.go.
 */
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import { crc32 } from "../../wire/crc32.js"
import { goDeflate } from "./deflate.js"
import { BLOCK } from "./tarHeader.js"

export interface OwnerNames {
  readonly user: string
  readonly group: string
}

export interface ArchiveFile {
  /** Name inside the archive, with slashes. */
  readonly name: string
  readonly content: Uint8Array
  /** As the system names them; nameless where they are not given. */
  readonly owner?: OwnerNames
}

const MODE = 0o100644
const OWNER = 500

const isAsciiCode = (code: number): boolean => code > 0 && code < 0x80

const isAscii = (name: string): boolean => Buffer.from(name).every(isAsciiCode)

/** What an old reader gets to see of a name that stands in an extended header. */
const asciiPart = (name: string): string =>
  Buffer.from(Buffer.from(name).filter(isAsciiCode)).toString("latin1").slice(0, 100)

/** The name and prefix fields of a name; undefined when it needs an extended header. */
const fields = (name: string): { readonly name: string; readonly prefix: string } | undefined => {
  if (!isAscii(name)) return undefined
  if (name.length <= 100) return { name, prefix: "" }
  const slash = name.lastIndexOf("/", 155)
  if (slash <= 0 || name.length - slash - 1 > 100 || name.length - slash - 1 === 0) return undefined
  return { name: name.slice(slash + 1), prefix: name.slice(0, slash) }
}

const nobody: OwnerNames = { user: "", group: "" }

const header = (
  name: string,
  prefix: string,
  size: number,
  type: string,
  mode: number,
  owner: number,
  names: OwnerNames = nobody
): Buffer => {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0")
  block.write(name, 0, 100, "latin1")
  block.write(`${octal(mode, 7)}\0${octal(owner, 7)}\0${octal(owner, 7)}\0`, 100, "latin1")
  block.write(`${octal(size, 11)}\0${octal(0, 11)}\0        ${type}`, 124, "latin1")
  block.write("ustar\x0000", 257, "latin1")
  block.write(names.user, 265, 32, "latin1")
  block.write(names.group, 297, 32, "latin1")
  block.write(`${octal(0, 7)}\0${octal(0, 7)}\0`, 329, "latin1")
  block.write(prefix, 345, 155, "latin1")
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${octal(sum, 6)}\0 `, 148, "latin1")
  return block
}

const padding = (size: number): Buffer => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)

/** An extended header that carries the whole name. */
const paxHeader = (name: string, owner: number): Array<Buffer> => {
  const body = ` path=${name}\n`
  const length = Buffer.byteLength(body)
  let total = length + String(length).length
  if (length + String(total).length !== total) total = length + String(total).length
  const record = Buffer.from(`${total}${body}`)
  const directory = name.slice(0, name.lastIndexOf("/") + 1)
  const shown = asciiPart(`${directory}PaxHeaders.0/${name.slice(directory.length)}`)
  return [header(shown, "", record.length, "x", 0, owner), record, padding(record.length)]
}

/** The archive piece by piece, as Go's writer hands it on. */
const partsOf = (files: ReadonlyArray<ArchiveFile>, owner: number): ReadonlyArray<Uint8Array> => {
  const parts: Array<Uint8Array> = []
  for (const file of files) {
    let place = fields(file.name)
    if (place === undefined) {
      parts.push(...paxHeader(file.name, owner))
      place = { name: asciiPart(file.name), prefix: "" }
    }
    parts.push(
      header(place.name, place.prefix, file.content.length, "0", MODE, owner, file.owner),
      file.content,
      padding(file.content.length)
    )
  }
  parts.push(Buffer.alloc(2 * BLOCK))
  return parts
}

/** A tar archive of the files in the order given. `owner` is their user and group number. */
export const tarOf = (files: ReadonlyArray<ArchiveFile>, owner: number = OWNER): Uint8Array =>
  Buffer.concat(partsOf(files, owner))

/** No time, no name, no system. */
const GZIP_HEAD = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)

/** The same, compressed as Go compresses: the hash of these bytes is what peers compare. */
export const tarGzOf = (files: ReadonlyArray<ArchiveFile>, owner: number = OWNER): Uint8Array => {
  const parts = partsOf(files, owner)
  const end = Buffer.alloc(8)
  let size = 0
  let digest = 0
  for (const part of parts) {
    size += part.length
    digest = crc32(part, digest)
  }
  end.writeUInt32LE(digest, 0)
  end.writeUInt32LE(size >>> 0, 4)
  return Buffer.concat([GZIP_HEAD, goDeflate(parts), end])
}

/** The system, which would otherwise differ between machines, is left out of a gzip header; time and name never are in it. */
const ofNoSystem = (compressed: Uint8Array): Uint8Array => {
  compressed[9] = 255
  return compressed
}

/** For archives that are large and whose bytes nobody compares: compressed in another thread. */
export const compressedTarOf = async (files: ReadonlyArray<ArchiveFile>, owner: number = OWNER): Promise<Uint8Array> =>
  ofNoSystem(await promisify(gzip)(tarOf(files, owner)))

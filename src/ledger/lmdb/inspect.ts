/**
 * A look at an LMDB file before the library opens it: lmdb 3.5.6 ends the process with a segmentation fault on a file
 * without its header, and with a bus error on one that was cut short (both tried).
 */
import * as fs from "node:fs"
import * as path from "node:path"

const magic = 0xbeefc0de
/** Offsets in a meta page: the page header has 24 bytes, then magic, version, address, map size, two tree records. */
const at = { magic: 24, pageSize: 48, freeRoot: 88, mainRoot: 136, lastPage: 144 } as const
const none = 0xffff_ffff_ffff_ffffn

const readAt = (file: number, position: number, length: number): Buffer => {
  const bytes = Buffer.alloc(length)
  return bytes.subarray(0, fs.readSync(file, bytes, 0, length, position))
}

/**
 * What is wrong with the environment in a folder; undefined when it is absent, empty or sound at its head. A file that
 * is shorter than its header says is filled up with zero pages: LMDB then reports damage instead of ending the process.
 */
export const damageOf = (dir: string): string | undefined => {
  const name = path.join(dir, "data.mdb")
  if (!fs.existsSync(name)) return undefined
  const file = fs.openSync(name, "r+")
  try {
    const size = fs.fstatSync(file).size
    if (size === 0) return undefined
    const first = readAt(file, 0, 160)
    if (first.length < 160 || first.readUInt32LE(at.magic) !== magic) return "data.mdb has no LMDB header"
    const pageSize = first.readUInt32LE(at.pageSize)
    if (pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0)
      return "data.mdb has no sound page size"
    const second = readAt(file, pageSize, 160)
    if (second.length < 160 || second.readUInt32LE(at.magic) !== magic) return "data.mdb lacks its second header"
    let pages = 2n
    for (const meta of [first, second]) {
      for (const offset of [at.freeRoot, at.mainRoot]) {
        const root = meta.readBigUInt64LE(offset)
        if (root !== none && root * BigInt(pageSize) >= BigInt(size)) return "data.mdb was cut short"
      }
      const last = meta.readBigUInt64LE(at.lastPage) + 1n
      if (last > pages) pages = last
    }
    const whole = pages * BigInt(pageSize)
    if (whole > BigInt(size)) {
      if (whole > BigInt(Number.MAX_SAFE_INTEGER)) return "data.mdb has no sound header"
      fs.ftruncateSync(file, Number(whole))
    }
    return undefined
  } finally {
    fs.closeSync(file)
  }
}

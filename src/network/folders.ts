/** Folders, made one level at a time. */
import { existsSync, mkdirSync } from "node:fs"
import { dirname } from "node:path"

/**
 * Makes a folder and those above it; throws the file system's error. Node's own recursive `mkdirSync` never returns
 * where the file system answers ENOENT below a folder that exists (/proc does).
 */
export const makeFolder = (path: string): void => {
  const missing: Array<string> = []
  for (let at = path; !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.push(at)
  for (const folder of missing.reverse()) mkdirSync(folder)
}

/**
 * A chaincode's Init arguments as the reference prints them in its answer to getchaincodes: the compact text form of Go's
 * protobuf library. Pure. Source: chaincode.md R89, T27.
 */
import type { protos } from "../../../wire/index.js"
import { compareUtf8 } from "../../../wire/protoutil.js"

const escapes: ReadonlyMap<number, string> = new Map([
  [0x0a, "\\n"],
  [0x0d, "\\r"],
  [0x09, "\\t"],
  [0x22, '\\"'],
  [0x5c, "\\\\"]
])

const quoted = (bytes: Uint8Array): string => {
  let text = '"'
  for (const byte of bytes) {
    const printable = byte >= 0x20 && byte < 0x7f
    text += escapes.get(byte) ?? (printable ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`)
  }
  return `${text}"`
}

/** `<nil>` when the package has no input, else its fields, each followed by a space. */
export const inputText = (input: protos.ChaincodeInput | undefined): string => {
  if (input === undefined) return "<nil>"
  const args = input.args.map((arg) => `args:${quoted(arg)} `)
  const decorations = [...input.decorations]
    .sort(([a], [b]) => compareUtf8(a, b))
    .map(([key, value]) => `decorations:<key:${quoted(Buffer.from(key))} value:${quoted(value)} > `)
  return [...args, ...decorations].join("")
}

/** Go's compact protobuf text of an interest, which error texts carry (gossip-discovery.md trap 28). */

import { utf8 } from "../wire/bytes.js"
import type { discovery } from "../wire/index.js"

const escapes: Readonly<Record<number, string>> = {
  10: "\\n",
  13: "\\r",
  9: "\\t",
  34: '\\"',
  92: "\\\\"
}

/** Bytes outside printable ASCII in octal. */
const quoted = (text: string): string => {
  let out = '"'
  for (const byte of utf8(text)) {
    const escape = escapes[byte]
    if (escape !== undefined) out += escape
    else out += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`
  }
  return `${out}"`
}

/** `chaincodes:<name:"mycc" > `, with the blank at its end. */
export const interestText = ({ chaincodes }: discovery.ChaincodeInterest): string =>
  chaincodes
    .map(({ collectionNames, name }) => {
      const fields = [
        ...(name === "" ? [] : [`name:${quoted(name)} `]),
        ...collectionNames.map((collection) => `collection_names:${quoted(collection)} `)
      ]
      return `chaincodes:<${fields.join("")}> `
    })
    .join("")

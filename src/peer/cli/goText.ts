/**
 * Values as Go prints them in the command line's messages: the compact text form of protobuf messages (each field
 * followed by a space), byte lists. Pure. Source: operations-cli.md 4.2, 4.3.
 */
import type { protos } from "../../wire/index.js"

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

const number = (name: string, value: number | bigint): string =>
  value === 0 || value === 0n ? "" : `${name}:${value} `
const bytes = (name: string, value: Uint8Array): string => (value.length === 0 ? "" : `${name}:${quoted(value)} `)
const message = (name: string, text: string | undefined): string => (text === undefined ? "" : `${name}:<${text}> `)

/** `status:200 payload:"OK" `, or `<nil>`. */
export const responseText = (response: protos.Response | undefined): string =>
  response === undefined ? "<nil>" : present(response)

const present = (response: protos.Response): string =>
  number("status", response.status) +
  bytes("message", Buffer.from(response.message)) +
  bytes("payload", response.payload)

/** A whole proposal response, or `<nil>`. */
export const proposalResponseText = (answer: protos.ProposalResponse | undefined): string => {
  if (answer === undefined) return "<nil>"
  const { endorsement, response, timestamp } = answer
  return [
    number("version", answer.version),
    message("timestamp", timestamp && number("seconds", timestamp.seconds) + number("nanos", timestamp.nanos)),
    message("response", response && present(response)),
    bytes("payload", answer.payload),
    message(
      "endorsement",
      endorsement && bytes("endorser", endorsement.endorser) + bytes("signature", endorsement.signature)
    )
  ].join("")
}

/** `[49 50]`. */
export const byteList = (value: Uint8Array): string => `[${[...value].join(" ")}]`

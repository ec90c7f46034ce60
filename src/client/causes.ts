/**
 * Asking a peer why it refused something: the page `/explain` of its operations service (src/peer/stages/Explain.ts).
 * Beyond Fabric; a Go peer has no such page.
 */
import * as http from "node:http"
import * as https from "node:https"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { textOf } from "../runtime/Stage.js"

/** What the page answers, as far as it is read here. */
const Causes = Schema.Struct({
  committed: Schema.Array(
    Schema.Struct({ channel: Schema.String, block: Schema.String, position: Schema.Number, code: Schema.String })
  ),
  refusals: Schema.Array(Schema.Struct({ lines: Schema.Array(Schema.String) }))
})

export interface CausesTold {
  readonly causes: typeof Causes.Type
  /** The whole answer, for scripts. */
  readonly body: unknown
}

export interface CausesAsked {
  /** The operations service, host:port. */
  readonly address: string
  readonly txId: string
  /** Every channel of the peer when absent. */
  readonly channelId?: string
  /** PEM; absent without TLS. */
  readonly tls?: {
    readonly rootCerts: ReadonlyArray<Uint8Array>
    readonly clientCert?: Uint8Array
    readonly clientKey?: Uint8Array
  }
}

/** The service does not answer, refuses, or its answer cannot be read. */
export class CausesUnasked extends Data.TaggedError("CausesUnasked")<{
  readonly address: string
  readonly reason: string
}> {
  override get message() {
    return `${this.address} cannot be asked: ${this.reason}`
  }
}

const LIMIT = 5000
/** Answers are a few kilobytes; whoever sends more is no peer. */
const MOST = 4 << 20

interface Page {
  readonly status: number
  readonly text: string
}

const get = ({ address, channelId, tls, txId }: CausesAsked, signal: AbortSignal): Promise<Page> =>
  new Promise((resolve, reject) => {
    const query = new URLSearchParams({ txid: txId, ...(channelId === undefined ? {} : { channel: channelId }) })
    const url = `${tls === undefined ? "http" : "https"}://${address}/explain?${query}`
    const pem = (bytes: Uint8Array) => Buffer.from(bytes)
    const shown =
      tls?.clientCert === undefined || tls.clientKey === undefined
        ? {}
        : { cert: pem(tls.clientCert), key: pem(tls.clientKey) }
    const options = { signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT)]), agent: false }
    const answered = (response: http.IncomingMessage) => {
      const parts: Array<Buffer> = []
      let size = 0
      response.on("data", (part: Buffer) => {
        size += part.length
        if (size > MOST) response.destroy(new Error("the answer is too long"))
        else parts.push(part)
      })
      response.on("error", reject)
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }))
    }
    const request =
      tls === undefined
        ? http.get(url, options, answered)
        : https.get(url, { ...options, ca: tls.rootCerts.map(pem), ...shown }, answered)
    request.on("error", reject)
  })

const reasonOf = (cause: unknown): string =>
  cause instanceof Error && cause.name === "TimeoutError" ? "no answer in time" : textOf(cause)

/** Undefined where the peer does not know the transaction, or has no such page. */
export const askCauses = (asked: CausesAsked): Effect.Effect<CausesTold | undefined, CausesUnasked> => {
  const unasked = (reason: string) => new CausesUnasked({ address: asked.address, reason })
  return Effect.gen(function* () {
    const { status, text } = yield* Effect.tryPromise({
      try: (signal) => get(asked, signal),
      catch: (cause) => unasked(reasonOf(cause))
    })
    if (status === 404) return undefined
    if (status !== 200) return yield* unasked(`it answers with status ${status}`)
    const body: unknown = yield* Effect.try({
      try: () => JSON.parse(text),
      catch: () => unasked("its answer is no JSON")
    })
    const causes = yield* Effect.mapError(Schema.decodeUnknown(Causes)(body), () => unasked("its answer is no peer's"))
    return { causes, body }
  })
}

/** For people: where the transaction is, then why it was refused. */
export const causeLines = ({ causes: { committed, refusals } }: CausesTold): ReadonlyArray<string> => [
  ...committed.map(
    ({ block, channel, code, position }) => `in channel ${channel}: ${code}, transaction ${position} of block ${block}`
  ),
  ...refusals.flatMap(({ lines }) => lines)
]

/** Committed and not valid, and why is not known there any more. */
export const causesForgotten = ({ causes: { committed, refusals } }: CausesTold): boolean =>
  refusals.length === 0 && committed.some(({ code }) => code !== "VALID")

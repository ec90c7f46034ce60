/** Requests to Deliver services. Source: peer-endorse-validate.md 3.5, 3.7 rule 3. */
import { common, orderer } from "../wire/index.js"
import type { ClientSigner, Moment } from "./envelope.js"
import { signedEnvelope } from "./envelope.js"

export type Position = "oldest" | "newest" | bigint

/** As stop position: never stop. */
export const forever: Position = 2n ** 64n - 1n

export interface Seek {
  readonly start: Position
  readonly stop: Position
  /** Answer NOT_FOUND instead of waiting for a block that is not there. */
  readonly failIfNotReady?: boolean
  /** Go on reading while the orderer's consenter reports an error. */
  readonly bestEffort?: boolean
}

const position = (at: Position) =>
  at === "oldest" ? { oldest: {} } : at === "newest" ? { newest: {} } : { specified: { number: at } }

/** `orderer.SeekInfo` bytes. */
export const seekInfo = (seek: Seek): Uint8Array =>
  orderer.SeekInfo.encode({
    start: position(seek.start),
    stop: position(seek.stop),
    behavior:
      seek.failIfNotReady === true
        ? orderer.SeekInfo_SeekBehavior.FAIL_IF_NOT_READY
        : orderer.SeekInfo_SeekBehavior.BLOCK_UNTIL_READY,
    errorResponse:
      seek.bestEffort === true
        ? orderer.SeekInfo_SeekErrorResponse.BEST_EFFORT
        : orderer.SeekInfo_SeekErrorResponse.STRICT
  })

/** The signed request. */
export const seekEnvelope = (
  parts: Moment & {
    readonly channelId: string
    readonly signer: ClientSigner
    readonly seek: Seek
    readonly tlsCertHash?: Uint8Array
  }
): Uint8Array => signedEnvelope({ ...parts, type: common.HeaderType.DELIVER_SEEK_INFO, data: seekInfo(parts.seek) })

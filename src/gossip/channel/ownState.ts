/**
 * This peer's StateInfo of a channel: height, chaincodes, whether it left.
 * Source: gossip-discovery.md 3.6.4, 3.6.8.
 */
import { gossip } from "../../wire/index.js"
import type { SignedGossipMessage } from "../messages.js"
import { type Sign, sealed } from "../signing.js"
import { channelMac } from "./mac.js"

export interface OwnStateOptions {
  readonly pkiId: Uint8Array
  readonly channelId: string
  /** Strictly growing nanoseconds. */
  readonly nanos: () => bigint
  readonly sign: Sign
}

export class OwnState {
  private readonly incarnation: bigint
  private readonly mac: Uint8Array
  private sequence: bigint
  private height = 1n
  private chaincodes: ReadonlyArray<gossip.Chaincode> = []
  private left = false
  private signed: SignedGossipMessage | undefined

  constructor(private readonly options: OwnStateOptions) {
    this.incarnation = options.nanos()
    this.sequence = options.nanos()
    this.mac = channelMac(options.pkiId, options.channelId)
  }

  get ledgerHeight(): bigint {
    return this.height
  }

  /** Each change makes a newer message, signed when it is first asked for. */
  change(properties: Partial<Pick<gossip.Properties, "ledgerHeight" | "chaincodes" | "leftChannel">>): void {
    this.height = properties.ledgerHeight ?? this.height
    this.chaincodes = properties.chaincodes ?? this.chaincodes
    this.left = properties.leftChannel ?? this.left
    this.sequence = this.options.nanos()
    this.signed = undefined
  }

  message(): SignedGossipMessage {
    const { pkiId, sign } = this.options
    this.signed ??= sealed(
      {
        tag: gossip.GossipMessage_Tag.CHAN_OR_ORG,
        stateInfo: {
          timestamp: { incNum: this.incarnation, seqNum: this.sequence },
          pkiId,
          channelMAC: this.mac,
          properties: { leftChannel: this.left, ledgerHeight: this.height, chaincodes: this.chaincodes }
        }
      },
      sign
    )
    return this.signed
  }
}

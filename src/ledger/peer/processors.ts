/**
 * Transactions other than endorser transactions that write state: a processor by header type makes their read-write set
 * through a simulator on committed state, and it is then validated like any other (rule 50).
 * Source: core/ledger/customtx, core/peer/configtx_processor.go.
 */
import * as Data from "effect/Data"
import { common } from "../../wire/index.js"
import type { TxSimulator } from "../simulator/index.js"

/** Thrown by a processor: the transaction is marked INVALID_OTHER_REASON. Anything else it throws stops the commit. */
export class InvalidTx extends Data.TaggedError("InvalidTx")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

export interface TxProcessor {
  /**
   * Writes what the transaction stands for. `initializing`: the ledger is being created or brought up from its blocks,
   * nothing is to be checked then.
   */
  readonly simulate: (envelope: common.Envelope, simulator: TxSimulator, initializing: boolean) => void
}

/** Header type → processor. */
export type TxProcessors = ReadonlyMap<number, TxProcessor>

/** Where state keeps the channel's configuration (rule 17). */
export const channelConfigKey = "resourcesconfigtx.CHANNEL_CONFIG_KEY"
export const configNamespace = ""

/** CONFIG: the configuration as it stands in the transaction goes into state. */
export const configTxProcessor: TxProcessor = {
  simulate: (envelope, simulator) => {
    const { config } = common.ConfigEnvelope.decode(common.Payload.decode(envelope.payload).data)
    if (config === undefined) throw new Error("Channel config found nil")
    simulator.setState(configNamespace, channelConfigKey, common.Config.encode(config))
  }
}

export const defaultProcessors: TxProcessors = new Map([[common.HeaderType.CONFIG, configTxProcessor]])

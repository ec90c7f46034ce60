/** Blocks of endorser transactions for ledger tests: made from simulations on the ledger itself. */
import * as Effect from "effect/Effect"
import type { Committed, PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import type { MissingPvtData } from "../../../src/ledger/pvtdata/index.js"
import { RWSetBuilder, type SimulationResults } from "../../../src/ledger/rwset/index.js"
import type { TxSimulator } from "../../../src/ledger/simulator/index.js"
import { ccprovider, common, protos, type rwset } from "../../../src/wire/index.js"
import { EMPTY, newBlock } from "../../../src/wire/protoutil.js"

const creator = Buffer.from("creator")

const envelope = (type: number, txId: string, data: Uint8Array, channelId = "ch"): Uint8Array =>
  common.Envelope.encode({
    payload: common.Payload.encode({
      header: {
        channelHeader: common.ChannelHeader.encode({ type, channelId, txId, timestamp: { seconds: 1n } }),
        signatureHeader: common.SignatureHeader.encode({ creator, nonce: Buffer.from(txId) })
      },
      data
    })
  })

/** An endorser transaction with these results. */
export const endorserTx = (txId: string, results: Uint8Array, chaincode = "cc", channelId = "ch"): Uint8Array =>
  envelope(
    common.HeaderType.ENDORSER_TRANSACTION,
    txId,
    protos.Transaction.encode({
      actions: [
        {
          payload: protos.ChaincodeActionPayload.encode({
            action: {
              proposalResponsePayload: protos.ProposalResponsePayload.encode({
                extension: protos.ChaincodeAction.encode({ results, chaincodeId: { name: chaincode, version: "1" } })
              })
            }
          })
        }
      ]
    }),
    channelId
  )

export const configTx = (sequence: bigint): Uint8Array =>
  envelope(common.HeaderType.CONFIG, "", common.ConfigEnvelope.encode({ config: { sequence, channelGroup: {} } }))

export const genesis = (): Uint8Array => common.Block.encode(newBlock(0n, EMPTY, [configTx(0n)]))

/** The next block of a ledger with these envelopes. */
export const nextBlock = (ledger: PeerLedgerShape, envelopes: ReadonlyArray<Uint8Array>): Uint8Array =>
  common.Block.encode(newBlock(ledger.height(), ledger.info().currentBlockHash ?? EMPTY, envelopes))

/** One transaction of a block to be made. */
export interface Planned {
  readonly txId: string
  readonly results: SimulationResults
  /** VALID unless it says otherwise. */
  readonly code?: number
  /** False: this peer does not get the private data; it is recorded as missing with the given eligibility. */
  readonly withPrivate?: boolean
  readonly eligible?: boolean
}

/** A simulation on the ledger as it is. */
export const simulate = (
  ledger: PeerLedgerShape,
  txId: string,
  program: (simulator: TxSimulator) => void
): Effect.Effect<SimulationResults, unknown> =>
  Effect.gen(function* () {
    const simulator = yield* ledger.newTxSimulator(txId)
    try {
      program(simulator)
      return simulator.getTxSimulationResults()
    } finally {
      simulator.done()
    }
  })

/** A read-write set made by hand. */
export const byHand = (program: (builder: RWSetBuilder) => void): SimulationResults => {
  const builder = new RWSetBuilder()
  program(builder)
  return builder.results()
}

const namesOf = (set: rwset.TxPvtReadWriteSet) =>
  set.nsPvtRwset.flatMap(({ collectionPvtRwset, namespace }) =>
    collectionPvtRwset.map(({ collectionName: collection }) => ({ namespace, collection }))
  )

/** What of the planned private data this peer gets, and what it misses. */
export const privateOfTxs = (txs: ReadonlyArray<Planned>) => {
  const pvtData = new Map<number, rwset.TxPvtReadWriteSet>()
  const missing: Array<MissingPvtData> = []
  txs.forEach(({ eligible, results, withPrivate }, tx) => {
    if (results.private === undefined) return
    if (withPrivate !== false) pvtData.set(tx, results.private)
    else for (const at of namesOf(results.private)) missing.push({ ...at, tx, isEligible: eligible ?? true })
  })
  return { pvtData, missing }
}

export const commitTxs = (
  ledger: PeerLedgerShape,
  txs: ReadonlyArray<Planned>
): Effect.Effect<Committed, Error & { readonly _tag: string }> =>
  ledger.commit({
    block: nextBlock(
      ledger,
      txs.map(({ results, txId }) => endorserTx(txId, results.public))
    ),
    codes: Uint8Array.from(txs.map(({ code }) => code ?? 0)),
    ...privateOfTxs(txs)
  })

/** One block with one simulated transaction. */
export const commitOne = (
  ledger: PeerLedgerShape,
  txId: string,
  program: (simulator: TxSimulator) => void,
  how: Omit<Planned, "txId" | "results"> = {}
): Effect.Effect<Committed, unknown> =>
  Effect.flatMap(simulate(ledger, txId, program), (results) => commitTxs(ledger, [{ txId, results, ...how }]))

/** What `lscc` writes when a chaincode with collections is deployed: `[name, block to live, member policy]`. */
export const deploy = (
  simulator: Pick<TxSimulator, "setState">,
  chaincode: string,
  collections: ReadonlyArray<readonly [name: string, btl: bigint, orgs?: string]>
): void => {
  simulator.setState("lscc", chaincode, ccprovider.ChaincodeData.encode({ name: chaincode, version: "1" }))
  simulator.setState(
    "lscc",
    `${chaincode}~collection`,
    common.CollectionConfigPackage.encode({
      config: collections.map(([name, blockToLive, orgs]) => ({
        staticCollectionConfig: {
          name,
          blockToLive,
          memberOrgsPolicy: { signaturePolicy: { identities: [{ principal: Buffer.from(orgs ?? "org1") }] } }
        }
      }))
    })
  )
}

/** Reads with a query executor. */
export const query = <A>(ledger: PeerLedgerShape, read: (executor: TxSimulator) => A): Effect.Effect<A, unknown> =>
  Effect.gen(function* () {
    const simulator = yield* ledger.newTxSimulator("query")
    try {
      return read(simulator)
    } finally {
      simulator.done()
    }
  })

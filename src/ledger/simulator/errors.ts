/** Why a read or write of a simulation is refused; the texts reach chaincode (ledger-privatedata.md 5.2). */
import * as Data from "effect/Data"

/** The use is against the rules of simulation. */
export class SimulationRefused extends Data.TaggedError("SimulationRefused")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** The chaincode's definition has no collections. */
export class CollectionsNotDefined extends Data.TaggedError("CollectionsNotDefined")<{ readonly namespace: string }> {
  override get message() {
    return `collection config not defined for chaincode [${this.namespace}], pass the collection configuration upon chaincode definition/instantiation`
  }
}

/** The chaincode's definition has no such collection. */
export class CollectionUnknown extends Data.TaggedError("CollectionUnknown")<{
  readonly namespace: string
  readonly collection: string
}> {
  override get message() {
    return `collection [${this.collection}] not defined in the collection config for chaincode [${this.namespace}]`
  }
}

/** A rich query that the state database refuses or cannot answer. */
export class QueryFailed extends Data.TaggedError("QueryFailed")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

const shown = (version: { readonly blockNum: bigint; readonly txNum: bigint } | undefined): string =>
  version === undefined ? "<nil>" : `{BlockNum: ${version.blockNum}, TxNum: ${version.txNum}}`

/** The peer has no private value of the version that the public hash has. */
export class PrivateDataNotAvailable extends Data.TaggedError("PrivateDataNotAvailable")<{
  readonly hashVersion: { readonly blockNum: bigint; readonly txNum: bigint } | undefined
  readonly valueVersion: { readonly blockNum: bigint; readonly txNum: bigint } | undefined
}> {
  override get message() {
    return `private data matching public hash version is not available. Public hash version = ${shown(this.hashVersion)}, Private data version = ${shown(this.valueVersion)}`
  }
}

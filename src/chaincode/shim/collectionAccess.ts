/**
 * Whether a transaction's creator may read a collection (`memberOnlyRead`). The definition is read through the
 * transaction's simulator: the read is part of its result (T2). Plain functions; failures are thrown.
 * Source: chaincode.md R34; core/common/privdata/store.go.
 */
import * as Either from "effect/Either"
import { fromEnvelope, type IdentityDeserializer } from "../../policy/index.js"
import { common, protos } from "../../wire/index.js"
import type { ApplicationConfigs, StateReader } from "../context.js"
import type { TransactionContext } from "./TransactionContext.js"

/** The key of a chaincode's collections in namespace lscc. */
export const collectionKey = (chaincode: string): string => `${chaincode}~collection`

/** The definition of one collection as the state says. */
const collectionConfig = (
  state: StateReader,
  channelId: string,
  chaincode: string,
  collection: string
): common.StaticCollectionConfig => {
  const absent = () => new Error(`collection ${channelId}/${chaincode}/${collection} could not be found`)
  const bytes = state.getState("lscc", collectionKey(chaincode))
  if (bytes === undefined) throw absent()
  for (const { staticCollectionConfig } of common.CollectionConfigPackage.decode(bytes).config) {
    if (staticCollectionConfig === undefined) throw new Error("unexpected collection type")
    if (staticCollectionConfig.name === collection) return staticCollectionConfig
  }
  throw absent()
}

const creatorOf = (signedProposal: protos.SignedProposal): Uint8Array => {
  const { header } = protos.Proposal.decode(signedProposal.proposalBytes)
  const { signatureHeader } = common.Header.decode(header)
  return common.SignatureHeader.decode(signatureHeader).creator
}

const hasReadAccess = (
  context: TransactionContext,
  chaincode: string,
  collection: string,
  deserializer: IdentityDeserializer | undefined
): boolean => {
  const { channelId, signedProposal, simulator } = context.params
  if (simulator === undefined) throw new Error("no ledger context")
  const config = collectionConfig(simulator, channelId, chaincode, collection)
  const criteria = `{Channel:${channelId} Namespace:${chaincode} Collection:${collection}}`
  const setup = (reason: string) =>
    new Error(`error setting up collection for collection criteria ${criteria}: ${reason}`)
  if (config.memberOrgsPolicy === undefined) throw setup("Collection config policy is nil")
  const envelope = config.memberOrgsPolicy.signaturePolicy
  if (envelope === undefined) throw setup("Collection config access policy is nil")
  if (deserializer === undefined) throw setup(`channel ${channelId} is not known`)
  const policy = fromEnvelope(envelope, deserializer)
  if (Either.isLeft(policy)) throw setup(policy.left.message)
  if (!config.memberOnlyRead) return true
  if (signedProposal === undefined) throw new Error("signed proposal is nil")
  const { proposalBytes, signature } = signedProposal
  return Either.isRight(
    policy.right.evaluate([{ data: proposalBytes, identity: creatorOf(signedProposal), signature }])
  )
}

/** Throws unless the creator may read; a positive answer is remembered for the transaction. */
export const assertReadAccess = (
  context: TransactionContext,
  chaincode: string,
  collection: string,
  applications: ApplicationConfigs["Type"]
): void => {
  if (context.readableCollections.has(collection)) return
  const { deserializer } = applications.of(context.params.channelId) ?? { deserializer: undefined }
  if (!hasReadAccess(context, chaincode, collection, deserializer)) {
    throw new Error(
      `tx creator does not have read access permission on privatedata in chaincodeName:${chaincode} collectionName: ${collection}`
    )
  }
  context.readableCollections.add(collection)
}

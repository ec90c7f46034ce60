/**
 * Private writes of a simulation with the collection configurations they were made under, as the transient store and
 * other peers take them. Pure but for the reads it is given.
 * Source: peer-endorse-validate.md 3.4 rule 12; core/endorser/pvtrwset_assembler.go.
 */
import * as Either from "effect/Either"
import { textOf } from "../../runtime/Stage.js"
import { common, type rwset, transientstore } from "../../wire/index.js"

/** Collections of a package that were written, in the package's order. */
const writtenOnly = (
  configs: common.CollectionConfigPackage,
  written: ReadonlySet<string>
): common.CollectionConfigPackage =>
  common.CollectionConfigPackage.create({
    config: configs.config.filter(
      ({ staticCollectionConfig }) => staticCollectionConfig !== undefined && written.has(staticCollectionConfig.name)
    )
  })

/**
 * In: the private writes; reads of `lscc` on the transaction's simulator, which become part of its result; the ledger's
 * height. Left: the reference's text.
 */
export const assemblePrivateData = (
  pvtRwset: rwset.TxPvtReadWriteSet,
  getState: (namespace: string, key: string) => Uint8Array | undefined,
  endorsedAt: bigint
): Either.Either<transientstore.TxPvtReadWriteSetWithConfigInfo, string> => {
  const collectionConfigs = new Map<string, common.CollectionConfigPackage>()
  const writtenBy = new Map<string, Set<string>>()
  for (const { collectionPvtRwset, namespace } of pvtRwset.nsPvtRwset) {
    const quoted = JSON.stringify(namespace)
    const written = writtenBy.get(namespace) ?? new Set<string>()
    writtenBy.set(namespace, written)
    for (const { collectionName } of collectionPvtRwset) written.add(collectionName)
    if (collectionConfigs.has(namespace)) continue
    let bytes: Uint8Array | undefined
    try {
      bytes = getState("lscc", `${namespace}~collection`)
    } catch (error) {
      return Either.left(`error while retrieving collection config for chaincode ${quoted}: ${textOf(error)}`)
    }
    if (bytes === undefined) return Either.left(`no collection config for chaincode ${quoted}`)
    try {
      collectionConfigs.set(namespace, common.CollectionConfigPackage.decode(bytes))
    } catch (error) {
      return Either.left(`invalid configuration for collection criteria ${quoted}: ${textOf(error)}`)
    }
  }
  for (const [namespace, configs] of collectionConfigs)
    collectionConfigs.set(namespace, writtenOnly(configs, writtenBy.get(namespace) ?? new Set()))
  return Either.right(
    transientstore.TxPvtReadWriteSetWithConfigInfo.create({ endorsedAt, pvtRwset, collectionConfigs })
  )
}

/** A ledger's query executor as validation sees it. */
import type { QueryExecutor } from "../../ledger/simulator/index.js"
import { CollectionsNotDefined, CollectionUnknown } from "../../ledger/simulator/index.js"
import type { ValidationState } from "../../validation/index.js"

export const validationStateOf = (executor: QueryExecutor): ValidationState => ({
  getState: (namespace, key) => executor.getState(namespace, key),
  getStateMetadata: (namespace, key) => executor.getStateMetadata(namespace, key),
  getPrivateDataMetadataByHash: (namespace, collection, keyHash) => {
    try {
      return executor.getPrivateDataMetadataByHash(namespace, collection, keyHash)
    } catch (error) {
      // every peer sees these alike: no key-level policy (peer-endorse-validate.md 3.11 rule 5)
      if (error instanceof CollectionsNotDefined || error instanceof CollectionUnknown) return undefined
      throw error
    }
  }
})

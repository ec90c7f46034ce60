/** What validation asks of the committed state and of system chaincodes: narrow views that the ledger and peer fill. */
import * as Context from "effect/Context"

/** State as of the last committed block; reads are synchronous on a snapshot and throw when the medium fails. */
export interface ValidationState {
  readonly getState: (namespace: string, key: string) => Uint8Array | undefined
  /** Metadata of a key by name; empty when it has none. */
  readonly getStateMetadata: (namespace: string, key: string) => ReadonlyMap<string, Uint8Array>
  /**
   * Metadata of a private key by the key's hash. `undefined`: the collection is not defined or its name is not legal,
   * which every peer sees alike (3.11 rule 5).
   */
  readonly getPrivateDataMetadataByHash: (
    namespace: string,
    collection: string,
    keyHash: Uint8Array
  ) => ReadonlyMap<string, Uint8Array> | undefined
}

/** What the names of system chaincodes mean for validation (chaincode.md R75, R78). */
export class SystemChaincodeNames extends Context.Tag("validation/SystemChaincodeNames")<
  SystemChaincodeNames,
  {
    readonly isSystem: (name: string) => boolean
    /** False for names that are no system chaincode's. */
    readonly isSystemAndNotInvokableExternal: (name: string) => boolean
    readonly isSystemAndNotInvokableCC2CC: (name: string) => boolean
  }
>() {}

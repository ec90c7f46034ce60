/** Which writes of a namespace count depends on the channel's capabilities (peer-endorse-validate.md 3.10 rule 4). */
import type { NamespaceSet } from "../ledger/rwset/index.js"

/** Whether a transaction writes to this namespace. */
export const writesTo = (
  set: NamespaceSet,
  capabilities: { readonly privateChannelData: boolean; readonly keyLevelEndorsement: boolean }
): boolean => {
  if (set.public.writes.length > 0) return true
  if (capabilities.privateChannelData)
    for (const { hashed } of set.collections) {
      if (hashed.hashedWrites.length > 0) return true
      if (capabilities.keyLevelEndorsement && hashed.metadataWrites.length > 0) return true
    }
  return capabilities.keyLevelEndorsement && set.public.metadataWrites.length > 0
}

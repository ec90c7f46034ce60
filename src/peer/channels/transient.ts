/** The transient store of a channel as the commit line wants it. */
import * as Effect from "effect/Effect"
import type { TransientStoreShape } from "../../ledger/transient/index.js"
import { transientstore } from "../../wire/index.js"
import type { TransientSets } from "./ChannelCommitter.js"

export const transientSetsOf = (store: TransientStoreShape): TransientSets => ({
  byTxId: (txId) => Effect.map(store.byTxId(txId), (entries) => entries.flatMap(({ pvtRwset }) => pvtRwset ?? [])),
  keep: (txId, block, pvtRwset) =>
    store.persist(txId, block, transientstore.TxPvtReadWriteSetWithConfigInfo.create({ pvtRwset })),
  purgeByTxIds: store.purgeByTxIds,
  purgeBelow: store.purgeByHeight
})

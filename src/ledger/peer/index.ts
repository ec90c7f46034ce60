/** The peer's ledger: see PeerLedger.ts for what it offers, openLedger.ts for how. */
export { collectionsKey, type Membership, staticConfigs } from "./deployments.js"
export * from "./errors.js"
export { type LedgerProviderOptions, layer as layerLedgerProvider, makeLedgerProvider } from "./LedgerProvider.js"
export { type LedgerOptions, openLedger } from "./openLedger.js"
export * from "./PeerLedger.js"
export type { CommittedTx } from "./prepare.js"
export {
  channelConfigKey,
  configNamespace,
  configTxProcessor,
  defaultProcessors,
  InvalidTx,
  type TxProcessor,
  type TxProcessors
} from "./processors.js"
export { clearPreResetHeights, preResetHeights, RollbackRefused, resetLedgers, rollbackLedger } from "./reset.js"

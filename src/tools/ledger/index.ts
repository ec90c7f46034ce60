/**
 * The ledger tools (rank 10): `node network.mjs ledger …`. `command.ts` is the command line; each other file is one
 * command or what several need: ChainCheck (a chain against itself), goBlocks (Go's block files), readable (JSON).
 */
export { ledgerTool } from "./command.js"

/**
 * What the names of system chaincodes mean, whether they are switched on or not. Pure.
 * Source: chaincode.md R75, R78, T24.
 */

interface Callers {
  readonly external: boolean
  readonly chaincode: boolean
}

/** In the order of their registration; `escc` and `vscc` are names of the past that nobody may call or take. */
const callers: ReadonlyMap<string, Callers> = new Map([
  ["lscc", { external: true, chaincode: true }],
  ["cscc", { external: true, chaincode: false }],
  ["qscc", { external: true, chaincode: true }],
  ["+lifecycle", { external: true, chaincode: true }],
  ["escc", { external: false, chaincode: false }],
  ["vscc", { external: false, chaincode: false }]
])

export const isSystem = (name: string): boolean => callers.has(name)
/** Asked of system names only; true for others. */
export const isInvokableExternal = (name: string): boolean => callers.get(name)?.external ?? true
/** Asked of system names only; true for others. */
export const isInvokableCC2CC = (name: string): boolean => callers.get(name)?.chaincode ?? true

/** Whether the whitelist switches a system chaincode on: `enable`, `true` or `yes`. */
export const isEnabled = (whitelist: ReadonlyMap<string, string>, name: string): boolean => {
  const value = whitelist.get(name)
  return value === "enable" || value === "true" || value === "yes"
}

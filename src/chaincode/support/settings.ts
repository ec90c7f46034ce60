/**
 * The part of the peer's configuration that chaincode support goes by, with the reference's clamps. Pure.
 * Source: chaincode.md section 2, R16, R28, T28; core/chaincode/config.go.
 */

export interface ChaincodeSettings {
  /** `peer.tls.enabled`: the chaincode server is TLS with client certificates of its own making. */
  readonly tlsEnabled: boolean
  /** `chaincode.mode` is `dev`. */
  readonly devMode: boolean
  /** Ours, `chaincode.acceptExternal`: processes started by hand may register for any installed name. */
  readonly acceptExternal: boolean
  /** Milliseconds between KEEPALIVE messages, 0 for none. */
  readonly keepalive: number
  /** Milliseconds; undefined: no limit (a debugger is attached). */
  readonly executeTimeout: number | undefined
  /** Milliseconds. */
  readonly startupTimeout: number
  readonly logLevel: string
  readonly shimLogLevel: string
  readonly logFormat: string
  /** Goes to chaincode as CORE_CHAINCODE_BUILDLEVEL. */
  readonly peerVersion: string
  /** `ledger.state.totalQueryLimit`. */
  readonly totalQueryLimit: number
}

const DEFAULT_EXECUTE_TIMEOUT = 30_000
const MINIMUM_STARTUP_TIMEOUT = 5_000

/** Below one second the timeout is 30 seconds. */
export const executeTimeout = (milliseconds: number): number =>
  milliseconds < 1_000 ? DEFAULT_EXECUTE_TIMEOUT : milliseconds

/** At least five seconds. */
export const startupTimeout = (milliseconds: number): number => Math.max(milliseconds, MINIMUM_STARTUP_TIMEOUT)

/** `chaincode.keepalive`: whole seconds as text; what does not parse is 0, negatives are off. */
export const keepaliveMillis = (text: string): number => {
  const seconds = /^[+-]?\d+$/.test(text) ? Number(text) : 0
  return Number.isSafeInteger(seconds) && seconds > 0 ? seconds * 1000 : 0
}

const LEVELS = new Set(["CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"])

/** `chaincode.logging.level` and `shim`: what is no level becomes the peer's own, in upper case. */
export const chaincodeLogLevel = (text: string, peerLevel: string): string =>
  LEVELS.has(text.toUpperCase()) ? text : peerLevel.toUpperCase()

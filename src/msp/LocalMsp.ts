/** The process's own MSP: its organization's rules, and the identity that this node signs as (sheet section 1). */
import { statSync } from "node:fs"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type { ProviderDefaults } from "../crypto/index.js"
import * as Log from "../runtime/Log.js"
import { LocalMspFailed, MspFolderMissing, type MspTypeUnsupported, type ProviderUnsupported } from "./errors.js"
import { checkMspType, readMspFolder } from "./folder.js"
import { type BccspOptions, configureProvider } from "./KeyProvider.js"
import type { Msp, Signer } from "./model.js"
import { setup } from "./setup.js"
import { X509Msp } from "./X509Msp.js"

/** Settings of the local MSP, as `peer.mspConfigPath`, `peer.localMspId`, `peer.localMspType` and `peer.BCCSP` give them. */
export interface LocalMspOptions {
  /** Absolute, or relative to the working directory. */
  readonly dir: string
  readonly mspId: string
  /** `bccsp` (also when empty or absent) or `idemix`, which is refused. */
  readonly type?: string | undefined
  readonly bccsp?: BccspOptions | undefined
}

export type LocalMspError = MspFolderMissing | LocalMspFailed | MspTypeUnsupported | ProviderUnsupported

export interface LocalMspService {
  readonly msp: Msp
  readonly signer: Signer
  /** What the BCCSP settings decide: the unnamed hash (chaincode fingerprints) and the curve of new keys. */
  readonly defaults: ProviderDefaults
}

const isFolder = (path: string): boolean => {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

const logger = Log.module("msp")

/**
 * Loads the local MSP; version 1.4.3 whatever the channels say. Checks in the reference's order: type, folder, ID,
 * provider, material. Warnings are logged by `msp`.
 */
export const loadLocalMsp = (options: LocalMspOptions): Effect.Effect<LocalMspService, LocalMspError> =>
  Effect.gen(function* () {
    const { dir, mspId } = options
    const type = options.type === undefined || options.type === "" ? "bccsp" : options.type
    yield* checkMspType(type)
    if (!isFolder(dir)) return yield* new MspFolderMissing({ directory: dir })
    const failed = (detail: string) => new LocalMspFailed({ mspId, type, directory: dir, detail })
    if (mspId === "") return yield* failed("the local MSP must have an ID")
    const { defaults, provider } = yield* configureProvider(options.bccsp, dir)
    const warnings: Array<string> = []
    const config = readMspFolder(dir, mspId, { signing: true, warn: (text) => warnings.push(text) })
    yield* Effect.forEach(warnings, (text) => logger.warning(text), { discard: true })
    if (Either.isLeft(config)) return yield* failed(config.left.detail)
    const now = yield* Clock.currentTimeMillis
    const state = setup(config.right, { version: "1.4.3", now, provider })
    if (Either.isLeft(state)) return yield* failed(state.left.detail)
    const msp = new X509Msp(state.right)
    const { signer } = msp
    if (signer === undefined) return yield* failed("this MSP does not possess a valid default signing identity")
    return { msp, signer, defaults }
  })

/** The local MSP of this node. */
export class LocalMsp extends Context.Tag("msp/LocalMsp")<LocalMsp, LocalMspService>() {
  static readonly layer = (options: LocalMspOptions): Layer.Layer<LocalMsp, LocalMspError> =>
    Layer.effect(LocalMsp, loadLocalMsp(options))
}

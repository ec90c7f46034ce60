/**
 * Where private keys come from (Fabric: BCCSP). The software provider reads a key store folder; a hardware module would
 * be another implementation of `KeyProvider`. `PKCS11` and plugins are refused by name until there is one.
 */
import { isAbsolute, join } from "node:path"
import * as Either from "effect/Either"
import {
  type Certificate,
  createKeyStore,
  findKey,
  type HashFamily,
  type PrivateKey,
  type ProviderDefaults,
  parsePrivateKeyPem,
  providerDefaults,
  sameBytes,
  sign,
  signAsync
} from "../crypto/index.js"
import { ProviderUnsupported } from "./errors.js"

/** The signing half of a key pair, wherever it lives. Answers are DER with low S. */
export interface KeySigner {
  readonly sign: (message: Uint8Array) => Uint8Array
  readonly signAsync: (message: Uint8Array) => Promise<Uint8Array>
}

/** Finds the private key that belongs to a certificate. */
export interface KeyProvider {
  readonly name: string
  readonly signerFor: (certificate: Certificate, family: HashFamily) => Either.Either<KeySigner, string>
}

/** `peer.BCCSP` or `General.BCCSP` with camel-cased keys; everything optional as in the files. */
export interface BccspOptions {
  readonly default?: string | undefined
  readonly sw?:
    | {
        readonly hash?: string | undefined
        readonly security?: number | undefined
        readonly fileKeyStore?: { readonly keyStore?: string | undefined } | undefined
      }
    | undefined
}

/** A provider together with what its two settings decide (sheet section 2.1). */
export interface ConfiguredProvider {
  readonly provider: KeyProvider
  readonly defaults: ProviderDefaults
}

const keySigner = (key: PrivateKey, family: HashFamily): KeySigner => ({
  sign: (message) => sign(key, message, family),
  signAsync: (message) => signAsync(key, message, family)
})

/** The software provider over one key store folder, which is made when it is not there. */
export const softwareProvider = (directory: string): KeyProvider => ({
  name: "SW",
  signerFor: (certificate, family) => {
    const key = findKey(directory, certificate.ski)
    if (Either.isLeft(key)) return Either.left(key.left.message)
    if ("kind" in key.right) return Either.left("Unsupported 'SignKey' provided [*sw.rsaPrivateKey]")
    // Go signs with whatever the file named after the SKI holds; such a node would only make signatures that fail.
    if (!sameBytes(key.right.ski, certificate.ski)) {
      return Either.left(`the key stored for the signing certificate in ${directory} belongs to another certificate`)
    }
    return Either.right(keySigner(key.right, family))
  }
})

/** The provider that takes the key out of the configuration itself (`private_signer.key_material`). */
export const signerFromMaterial = (
  material: Uint8Array,
  certificate: Certificate,
  family: HashFamily
): Either.Either<KeySigner, string> => {
  const key = parsePrivateKeyPem(material)
  if (Either.isLeft(key)) return Either.left(key.left.message)
  if ("kind" in key.right) return Either.left("Failed casting to ECDSA private key. Invalid raw material.")
  if (!sameBytes(key.right.ski, certificate.ski)) return Either.left("the key material belongs to another certificate")
  return Either.right(keySigner(key.right, family))
}

/**
 * The provider that a node's BCCSP section asks for. A key store path may be relative to the MSP folder's parent only
 * through `base`; empty means `<msp folder>/keystore`.
 */
export const configureProvider = (
  options: BccspOptions | undefined,
  mspFolder: string,
  base: string = mspFolder
): Either.Either<ConfiguredProvider, ProviderUnsupported> => {
  const name = options?.default === undefined || options.default === "" ? "SW" : options.default
  if (name !== "SW") {
    const what = name === "PKCS11" ? "hardware security modules (PKCS11) are not supported" : `no provider of this name`
    return Either.left(
      new ProviderUnsupported({
        provider: name,
        detail: `could not initialize BCCSP Factories: Could not find default \`${name}\` BCCSP: ${what}`
      })
    )
  }
  const defaults = providerDefaults(options?.sw?.hash || "SHA2", options?.sw?.security || 256)
  if (Either.isLeft(defaults)) {
    const context = "could not initialize BCCSP Factories: Failed initializing BCCSP: Could not initialize BCCSP SW"
    const detail = `${context} [Failed initializing configuration at [${options?.sw?.security},${options?.sw?.hash}]: ${defaults.left.detail}]`
    return Either.left(new ProviderUnsupported({ provider: "SW", detail }))
  }
  const configured = options?.sw?.fileKeyStore?.keyStore ?? ""
  const directory =
    configured === "" ? join(mspFolder, "keystore") : isAbsolute(configured) ? configured : join(base, configured)
  try {
    createKeyStore(directory)
  } catch (error) {
    // A read-only folder without a key store: the search below reports the missing key.
    if (!(error instanceof Error)) throw error
  }
  return Either.right({ provider: softwareProvider(directory), defaults: defaults.right })
}

/**
 * Reading an MSP folder into an `MSPConfig` (sheet sections 2.2 and 3.1; msp/configbuilder.go). Synchronous reads: this
 * runs at a node's start and in tools. Warnings go to the callback that the caller gives.
 */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import * as Either from "effect/Either"
import { decodePem } from "../crypto/index.js"
import { msp } from "../wire/index.js"
import { MspSetupFailed, MspTypeUnsupported } from "./errors.js"
import { type FolderSettings, NO_SETTINGS, type OuEntry, parseFolderSettings } from "./folderSettings.js"

/** Receives what the reference logs as warnings. */
export type Warn = (text: string) => void

const FOLDERS = {
  ca: "cacerts",
  admin: "admincerts",
  sign: "signcerts",
  intermediate: "intermediatecerts",
  crl: "crls",
  tlsCa: "tlscacerts",
  tlsIntermediate: "tlsintermediatecerts",
  config: "config.yaml"
} as const

const byBytes = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right))

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const isMissing = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOENT"

/** The PEM files of a folder in byte order of their names, whole; `missing` when the folder is not there. */
const readPemFolder = (folder: string, warn: Warn): Either.Either<ReadonlyArray<Uint8Array>, "missing" | string> => {
  let names: ReadonlyArray<string>
  try {
    names = readdirSync(folder).sort(byBytes)
  } catch (error) {
    return Either.left(isMissing(error) ? "missing" : `could not read directory ${folder}: ${reason(error)}`)
  }
  const files: Array<Uint8Array> = []
  for (const name of names) {
    const path = join(folder, name)
    try {
      if (statSync(path).isDirectory()) continue
      const content = readFileSync(path)
      if (decodePem(content) === undefined) warn(`Failed reading file ${path}: no pem content for file ${path}`)
      else files.push(content)
    } catch (error) {
      warn(`Failed reading file ${path}: ${reason(error)}`)
    }
  }
  return Either.right(files)
}

const readSettings = (path: string): Either.Either<FolderSettings, string> => {
  let text: string
  try {
    text = readFileSync(path, "utf8")
  } catch (error) {
    return isMissing(error)
      ? Either.right(NO_SETTINGS)
      : Either.left(`failed loading configuration file at [${path}]: ${reason(error)}`)
  }
  return parseFolderSettings(text, path)
}

const readWhole = (path: string): Either.Either<Uint8Array, string> => {
  try {
    return Either.right(readFileSync(path))
  } catch (error) {
    return Either.left(`could not read file ${path}: ${reason(error)}`)
  }
}

/** A special unit; one without a name is dropped, one whose certificate cannot be read takes any issuer. */
const nodeOuOf = (folder: string, entry: OuEntry | undefined, kind: string, warn: Warn) => {
  if (entry === undefined || entry.name === "") return undefined
  const path = join(folder, entry.certificate)
  const content = readWhole(path)
  if (Either.isLeft(content)) warn(`Failed loading ${kind} certificate at [${path}]: [${content.left}]`)
  return msp.FabricOUIdentifier.create({
    organizationalUnitIdentifier: entry.name,
    certificate: Either.getOrElse(content, () => new Uint8Array())
  })
}

const failure = (mspId: string, detail: string) => Either.left(new MspSetupFailed({ mspId, detail }))

const optionalFolder = (
  mspId: string,
  folder: string,
  context: string,
  warn: Warn
): Either.Either<ReadonlyArray<Uint8Array>, MspSetupFailed> => {
  const found = readPemFolder(folder, warn)
  if (Either.isRight(found)) return Either.right(found.right)
  return found.left === "missing" ? Either.right([]) : failure(mspId, `${context}: ${found.left}`)
}

const mandatoryFolder = (
  mspId: string,
  folder: string,
  context: string,
  warn: Warn
): Either.Either<ReadonlyArray<Uint8Array>, MspSetupFailed> => {
  const found = readPemFolder(folder, warn)
  if (Either.isLeft(found)) {
    const cause = found.left === "missing" ? `stat ${folder}: no such file or directory` : found.left
    return failure(mspId, `${context} ${folder}: ${cause}`)
  }
  // The reference loses its error here and trips over the missing configuration a step later.
  return found.right.length === 0 ? failure(mspId, "Setup error: nil conf reference") : Either.right(found.right)
}

/**
 * The folder as `FabricMSPConfig`. With `signing`, the first certificate of `signcerts` becomes the signing identity
 * (local MSPs); without, the folder only verifies (organizations in configtx.yaml).
 */
export const readMspFolder = (
  folder: string,
  mspId: string,
  options: { readonly signing: boolean; readonly warn?: Warn }
): Either.Either<msp.FabricMSPConfig, MspSetupFailed> =>
  Either.gen(function* () {
    const warn = options.warn ?? (() => undefined)
    const at = (name: string) => join(folder, name)
    const signCerts = options.signing
      ? yield* mandatoryFolder(
          mspId,
          at(FOLDERS.sign),
          "could not load a valid signer certificate from directory",
          warn
        )
      : []
    const rootCerts = yield* mandatoryFolder(
      mspId,
      at(FOLDERS.ca),
      "could not load a valid ca certificate from directory",
      warn
    )
    const admins = yield* optionalFolder(
      mspId,
      at(FOLDERS.admin),
      `could not load a valid admin certificate from directory ${at(FOLDERS.admin)}`,
      warn
    )
    const intermediateCerts = yield* optionalFolder(
      mspId,
      at(FOLDERS.intermediate),
      `failed loading intermediate ca certs at [${at(FOLDERS.intermediate)}]`,
      warn
    )
    const tlsRootCerts = yield* optionalFolder(
      mspId,
      at(FOLDERS.tlsCa),
      `failed loading TLS ca certs at [${at(FOLDERS.tlsCa)}]`,
      warn
    )
    const tlsIntermediateCerts =
      tlsRootCerts.length === 0
        ? []
        : yield* optionalFolder(
            mspId,
            at(FOLDERS.tlsIntermediate),
            `failed loading TLS intermediate ca certs at [${at(FOLDERS.tlsIntermediate)}]`,
            warn
          )
    const revocationList = yield* optionalFolder(
      mspId,
      at(FOLDERS.crl),
      `failed loading crls at [${at(FOLDERS.crl)}]`,
      warn
    )
    const settings = yield* Either.mapLeft(
      readSettings(at(FOLDERS.config)),
      (detail) => new MspSetupFailed({ mspId, detail })
    )
    const organizationalUnitIdentifiers: Array<msp.FabricOUIdentifier> = []
    for (const entry of settings.ouIdentifiers) {
      const path = join(folder, entry.certificate)
      const certificate = yield* Either.mapLeft(
        readWhole(path),
        (cause) =>
          new MspSetupFailed({ mspId, detail: `failed loading OrganizationalUnit certificate at [${path}]: ${cause}` })
      )
      organizationalUnitIdentifiers.push(
        msp.FabricOUIdentifier.create({ certificate, organizationalUnitIdentifier: entry.name })
      )
    }
    const [publicSigner] = signCerts
    return msp.FabricMSPConfig.create({
      name: mspId,
      rootCerts: [...rootCerts],
      intermediateCerts: [...intermediateCerts],
      admins: [...admins],
      revocationList: [...revocationList],
      ...(publicSigner === undefined ? {} : { signingIdentity: msp.SigningIdentityInfo.create({ publicSigner }) }),
      organizationalUnitIdentifiers,
      cryptoConfig: msp.FabricCryptoConfig.create({
        signatureHashFamily: "SHA2",
        identityIdentifierHashFunction: "SHA256"
      }),
      tlsRootCerts: [...tlsRootCerts],
      tlsIntermediateCerts: [...tlsIntermediateCerts],
      ...nodeOusOf(folder, settings, warn)
    })
  })

const nodeOusOf = (folder: string, settings: FolderSettings, warn: Warn) => {
  const units = settings.nodeOus
  if (units?.enable !== true) return {}
  const client = nodeOuOf(folder, units.client, "ClientOU", warn)
  const peer = nodeOuOf(folder, units.peer, "PeerOU", warn)
  const admin = nodeOuOf(folder, units.admin, "AdminOU", warn)
  const orderer = nodeOuOf(folder, units.orderer, "OrdererOU", warn)
  return {
    fabricNodeOus: msp.FabricNodeOUs.create({
      enable: true,
      ...(client === undefined ? {} : { clientOuIdentifier: client }),
      ...(peer === undefined ? {} : { peerOuIdentifier: peer }),
      ...(admin === undefined ? {} : { adminOuIdentifier: admin }),
      ...(orderer === undefined ? {} : { ordererOuIdentifier: orderer })
    })
  }
}

/**
 * The folder of an organization as the `MSPConfig` that goes into channel configurations (msp GetVerifyingMspConfig).
 * `type` is `bccsp` or empty; `idemix` is recognised and refused.
 */
export const verifyingMspConfig = (
  folder: string,
  mspId: string,
  type = "bccsp",
  warn?: Warn
): Either.Either<msp.MSPConfig, MspSetupFailed | MspTypeUnsupported> => {
  const checked = checkMspType(type)
  if (Either.isLeft(checked)) return Either.left(checked.left)
  return Either.map(
    readMspFolder(folder, mspId, { signing: false, ...(warn === undefined ? {} : { warn }) }),
    (config) => msp.MSPConfig.create({ type: 0, config: msp.FabricMSPConfig.encode(config) })
  )
}

/** Whether a `localMspType` or `MSPType` setting names X.509 MSPs; others fail with the reference's texts. */
export const checkMspType = (type: string): Either.Either<void, MspTypeUnsupported> => {
  if (type === "" || type === "bccsp") return Either.void
  if (type === "idemix") return Either.left(new MspTypeUnsupported({ type, detail: "Unsupported msp type idemix" }))
  return Either.left(new MspTypeUnsupported({ type, detail: `unknown MSP type '${type}'` }))
}

/**
 * Bytes as readable JSON: text where they are text, messages through protolator, identities, policies, and the values of
 * keys that this program knows. Pure; what cannot be decoded is shown as hex, with the reason.
 */
import * as Either from "effect/Either"
import { parseCertificatePem, valuesOf, verify } from "../../crypto/index.js"
import { printPolicy } from "../../policy/index.js"
import { ccprovider, common, type kvrwset, type MessageInfo, msp } from "../../wire/index.js"
import { toHex } from "../../wire/protoutil.js"
import { type Json, JsonNumber } from "../protolator/json.js"
import { plain } from "../protolator/shapes.js"
import { messageTree } from "../protolator/toJson.js"
import { textOf } from "./errors.js"

export type Readable = null | boolean | number | string | ReadonlyArray<Readable> | { readonly [key: string]: Readable }
export type Fields = { readonly [key: string]: Readable }

// ---- Bytes ---------------------------------------------------------------------------------------------------------

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for; U+0000 parts composite keys
const controls = /[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f]/

/** Text where the bytes are one, `{ hex }` otherwise. */
export const bytesText = (bytes: Uint8Array): Readable => {
  try {
    const text = utf8.decode(bytes)
    if (!controls.test(text)) return text
  } catch {
    // shown as hex
  }
  return { hex: toHex(bytes) }
}

/** One line for a terminal: names in transactions are anybody's, and could steer it. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is replaced
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "\ufffd")

/** 64-bit numbers: as numbers where JSON keeps them exact. */
export const big = (value: bigint): Readable =>
  value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= 0n ? Number(value) : String(value)

export const versionText = (version: { readonly blockNum: bigint; readonly txNum: bigint } | undefined): Readable =>
  version === undefined ? null : `${version.blockNum}:${version.txNum}`

/** Leaves out what is undefined. */
export const fields = (entries: { readonly [key: string]: Readable | undefined }): Fields =>
  Object.fromEntries(Object.entries(entries).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])))

export const ifAny = (list: ReadonlyArray<Readable>): ReadonlyArray<Readable> | undefined =>
  list.length === 0 ? undefined : list

const fromJson = (json: Json): Readable => {
  if (json instanceof JsonNumber) return Number(json.text)
  if (json === null || typeof json !== "object") return json
  if (json instanceof Map) return Object.fromEntries([...json].map(([key, value]) => [key, fromJson(value)]))
  return Array.isArray(json) ? json.map(fromJson) : null
}

/** A message with everything inside it, as configtxlator prints it. */
export const messageText = (type: MessageInfo, bytes: Uint8Array): Readable => {
  const tree = Either.flatMap(Either.try({ try: () => type.decode(bytes), catch: textOf }), (message) =>
    Either.mapLeft(messageTree(plain(type), message), (error) => error.message)
  )
  return Either.match(tree, {
    onLeft: (reason): Readable => ({ undecoded: reason, hex: toHex(bytes) }),
    onRight: fromJson
  })
}

// ---- Who -----------------------------------------------------------------------------------------------------------

/** A serialized identity: organisation and the certificate's subject. */
export const identityText = (serialized: Uint8Array): Fields => {
  try {
    const { idBytes, mspid } = msp.SerializedIdentity.decode(serialized)
    const certificate = parseCertificatePem(idBytes)
    if (certificate === undefined || Either.isLeft(certificate))
      return { mspId: mspid, certificate: bytesText(idBytes) }
    const { notAfter, ous, serialNumber, subject } = certificate.right
    return fields({
      mspId: mspid,
      name: subject.commonName,
      organizations: ifAny(valuesOf(subject, "2.5.4.10")),
      units: ifAny(ous),
      serial: serialNumber.toString(16),
      expires: new Date(notAfter).toISOString()
    })
  } catch (cause) {
    return { undecoded: textOf(cause), hex: toHex(serialized) }
  }
}

/** Whether the signature is the identity's; undefined where its certificate cannot be read. */
export const signatureText = (
  serialized: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array
): Readable | undefined => {
  try {
    const certificate = parseCertificatePem(msp.SerializedIdentity.decode(serialized).idBytes)
    if (certificate === undefined || Either.isLeft(certificate)) return undefined
    return verify(certificate.right.publicKey, message, signature) ? "good" : "bad"
  } catch {
    return undefined
  }
}

// ---- Policies and values -------------------------------------------------------------------------------------------

/** A signature policy in the policy language; as its message where the language has no words for it. */
export const policyText = (bytes: Uint8Array): Readable => {
  try {
    const printed = printPolicy(common.SignaturePolicyEnvelope.decode(bytes))
    if (Either.isRight(printed)) return printed.right
  } catch {
    // shown as its message, with the reason
  }
  return messageText(common.SignaturePolicyEnvelope, bytes)
}

const definitionText = (value: Uint8Array): Readable => {
  const { escc, id, instantiationPolicy, name, policy, version, vscc } = ccprovider.ChaincodeData.decode(value)
  return {
    name,
    version,
    policy: policyText(policy),
    instantiationPolicy: policyText(instantiationPolicy),
    escc,
    vscc,
    id: toHex(id)
  }
}

const collectionsText = (value: Uint8Array): Readable =>
  common.CollectionConfigPackage.decode(value).config.map(({ staticCollectionConfig: config }) => {
    if (config === undefined) return null
    const policy = config.memberOrgsPolicy?.signaturePolicy
    return fields({
      name: config.name,
      members: policy === undefined ? undefined : policyText(common.SignaturePolicyEnvelope.encode(policy)),
      requiredPeerCount: config.requiredPeerCount,
      maximumPeerCount: config.maximumPeerCount,
      blockToLive: big(config.blockToLive),
      memberOnlyRead: config.memberOnlyRead
    })
  })

/** What the value of a key is, where this program knows. */
export const valueText = (namespace: string, key: string, value: Uint8Array): Readable => {
  if (namespace === "" && key === "resourcesconfigtx.CHANNEL_CONFIG_KEY") return messageText(common.Config, value)
  if (namespace !== "lscc") return bytesText(value)
  try {
    return key.endsWith("~collection") ? collectionsText(value) : definitionText(value)
  } catch {
    return bytesText(value)
  }
}

export const metadataText = (entries: ReadonlyArray<kvrwset.KVMetadataEntry>): Fields =>
  Object.fromEntries(
    entries.map(({ name, value }) => [name, name === "VALIDATION_PARAMETER" ? policyText(value) : bytesText(value)])
  )

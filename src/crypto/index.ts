/**
 * Hashes, ECDSA, PEM and DER, certificates, chains, revocation lists, key stores. Plain functions over bytes with Go's
 * verdicts; no Effect besides `Either`. Rank 0: imports nothing of src, and any folder may import it.
 */
export * from "./certificate.js"
export * from "./chain.js"
export * from "./crl.js"
export * from "./curves.js"
export { hex, latin1, sameBytes } from "./der.js"
export * from "./ecdsa.js"
export * from "./errors.js"
export { ExtendedKeyUsage, KeyUsage } from "./extensions.js"
export * from "./hash.js"
export * from "./keystore.js"
export * from "./name.js"
export * from "./pem.js"
export * from "./privateKey.js"
export type { EcPublicKey, Ed25519PublicKey, PublicKey, RsaPublicKey, UnusablePublicKey } from "./publicKey.js"
export * from "./sanitise.js"
export * from "./signature.js"

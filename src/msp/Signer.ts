/** The signing half of a local identity. */
import type { KeySigner } from "./KeyProvider.js"
import type { Identity, Signer } from "./model.js"

/** Joins an identity with its private key. */
export const makeSigner = (identity: Identity, key: KeySigner): Signer => ({
  mspId: identity.mspId,
  identity,
  serialized: identity.serialized,
  sign: key.sign,
  signAsync: key.signAsync
})

/** X.509 identities (sheet section 3.5; msp/identities.go). */
import * as Either from "effect/Either"
import {
  admitSignature,
  type Certificate,
  certificatePem,
  type HashName,
  hash,
  hex,
  isHashFamily,
  type SignatureJob,
  signatureJob,
  verify,
  verifyAdmitted,
  verifyAsync
} from "../crypto/index.js"
import { msp } from "../wire/index.js"
import { SignatureInvalid } from "./errors.js"
import type { Identity } from "./model.js"

/** A certificate (sanitised) under an MSP. Immutable; one object serves all uses of the same creator bytes. */
export class X509Identity implements Identity {
  readonly id: string
  readonly #family: string
  #serialized: Uint8Array | undefined

  constructor(
    readonly mspId: string,
    readonly certificate: Certificate,
    identityHash: HashName,
    signatureFamily: string
  ) {
    this.id = hex(hash(identityHash, certificate.der))
    this.#family = signatureFamily
  }

  get expiresAt(): number {
    return this.certificate.notAfter
  }

  get signatureFamily(): string {
    return this.#family
  }

  get serialized(): Uint8Array {
    this.#serialized ??= msp.SerializedIdentity.encode({
      mspid: this.mspId,
      idBytes: certificatePem(this.certificate)
    })
    return this.#serialized
  }

  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return isHashFamily(this.#family) && verify(this.certificate.publicKey, message, signature, this.#family)
  }

  verifyAsync(message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    return isHashFamily(this.#family)
      ? verifyAsync(this.certificate.publicKey, message, signature, this.#family)
      : Promise.resolve(false)
  }

  signatureJob(message: Uint8Array, signature: Uint8Array): SignatureJob | undefined {
    return isHashFamily(this.#family)
      ? signatureJob(this.certificate.publicKey, message, signature, this.#family)
      : undefined
  }

  checkSignature(message: Uint8Array, signature: Uint8Array): Either.Either<void, SignatureInvalid> {
    if (!isHashFamily(this.#family)) {
      const detail = `failed getting hash function options: hash familiy not recognized [${this.#family}]`
      return Either.left(new SignatureInvalid({ detail }))
    }
    const admitted = admitSignature(this.certificate.publicKey, signature)
    if (Either.isLeft(admitted)) {
      const detail = `could not determine the validity of the signature: ${admitted.left.detail}`
      return Either.left(new SignatureInvalid({ detail }))
    }
    return verifyAdmitted(this.certificate.publicKey, message, admitted.right, this.#family)
      ? Either.void
      : Either.left(new SignatureInvalid({ detail: "The signature is invalid" }))
  }
}

/** Expected failures of the crypto folder: values on the left of an `Either`, data first, the message computed from it. */
import * as Data from "effect/Data"

/** Bytes that do not parse as an X.509 certificate; `detail` follows Go's crypto/x509 texts. */
export class CertificateMalformed extends Data.TaggedError("CertificateMalformed")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** No chain, or no acceptable chain, from a certificate to the roots; `detail` follows Go's crypto/x509 texts. */
export class ChainRefused extends Data.TaggedError("ChainRefused")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** Bytes that do not parse as a certificate revocation list. */
export class CrlMalformed extends Data.TaggedError("CrlMalformed")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** An ECDSA signature that is refused before any arithmetic: shape, sign or size of its two numbers. */
export class SignatureMalformed extends Data.TaggedError("SignatureMalformed")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** Bytes that hold no usable private key. */
export class PrivateKeyMalformed extends Data.TaggedError("PrivateKeyMalformed")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** A key store that cannot be read, or has no key for the subject key identifier (hex). */
export class KeyNotFound extends Data.TaggedError("KeyNotFound")<{
  readonly ski: string
  readonly directory: string
  readonly detail?: string
}> {
  override get message(): string {
    return this.detail ?? `Key with SKI ${this.ski} not found in ${this.directory}`
  }
}

/** A BCCSP setting that names an unknown family or level (bccsp/sw/conf.go). */
export class HashUnsupported extends Data.TaggedError("HashUnsupported")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

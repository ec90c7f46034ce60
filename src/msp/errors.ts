/** Expected failures of the msp folder. Each carries data; `message` is the text of the reference (sheet sections 3 and 5). */
import * as Data from "effect/Data"

/** An MSP configuration that does not load or does not validate: nothing of that MSP may be used. */
export class MspSetupFailed extends Data.TaggedError("MspSetupFailed")<{
  readonly mspId: string
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** An MSP type that cannot be used here: Idemix (type 1, `idemix`) or an unknown one. */
export class MspTypeUnsupported extends Data.TaggedError("MspTypeUnsupported")<{
  readonly type: number | string
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** A crypto provider (BCCSP) that cannot be used here, or is configured with values it does not know. */
export class ProviderUnsupported extends Data.TaggedError("ProviderUnsupported")<{
  readonly provider: string
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** The local MSP did not load. `detail` is the cause alone; the message has the peer's context around it. */
export class LocalMspFailed extends Data.TaggedError("LocalMspFailed")<{
  readonly mspId: string
  readonly type: string
  readonly directory: string
  readonly detail: string
}> {
  override get message(): string {
    return `error when setting up MSP of type ${this.type} from directory ${this.directory}: ${this.detail}`
  }
}

/** The folder of the local MSP is not there. */
export class MspFolderMissing extends Data.TaggedError("MspFolderMissing")<{ readonly directory: string }> {
  override get message(): string {
    return `cannot init crypto, folder "${this.directory}" does not exist`
  }
}

/** A serialized identity that does not deserialize. */
export class IdentityMalformed extends Data.TaggedError("IdentityMalformed")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** An identity of an MSP that the channel does not have. */
export class MspUnknown extends Data.TaggedError("MspUnknown")<{ readonly mspId: string }> {
  override get message(): string {
    return `MSP ${this.mspId} is unknown`
  }
}

/** An identity of another MSP than the one that was asked. */
export class MspMismatch extends Data.TaggedError("MspMismatch")<{
  readonly expected: string
  readonly received: string
}> {
  override get message(): string {
    return `expected MSP ID ${this.expected}, received ${this.received}`
  }
}

/** An identity that the MSP does not take: wrong chain, CA certificate, revoked, wrong organizational units. */
export class IdentityInvalid extends Data.TaggedError("IdentityInvalid")<{
  readonly mspId: string
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** A principal that the identity does not satisfy, or that makes no sense. */
export class PrincipalNotSatisfied extends Data.TaggedError("PrincipalNotSatisfied")<{
  readonly mspId: string
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** A signature that is not the identity's; `detail` says how far the check came. */
export class SignatureInvalid extends Data.TaggedError("SignatureInvalid")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** Everything that the operations of an MSP answer on the left. */
export type MspError =
  | MspSetupFailed
  | MspTypeUnsupported
  | ProviderUnsupported
  | LocalMspFailed
  | MspFolderMissing
  | IdentityMalformed
  | MspUnknown
  | MspMismatch
  | IdentityInvalid
  | PrincipalNotSatisfied
  | SignatureInvalid

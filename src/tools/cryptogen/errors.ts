/** What can go wrong when material is made. Messages are the reference's where it has one. */
import * as Data from "effect/Data"

/** A crypto-config.yaml that cannot be read or means nothing. The program ends with 255. */
export class CryptoConfigInvalid extends Data.TaggedError("CryptoConfigInvalid")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** Material that could not be made or written; `step` names it. The program ends with 1. */
export class CryptogenFailed extends Data.TaggedError("CryptogenFailed")<{
  readonly step: string
  readonly detail: string
}> {
  override get message(): string {
    return `${this.step}:\n${this.detail}`
  }
}

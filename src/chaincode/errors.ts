/** What can go wrong with chaincode: one class per reason, the text of the reference computed from the data. */
import * as Data from "effect/Data"

/** A package, or a part of one, is not what it must be. */
export class PackageRefused extends Data.TaggedError("PackageRefused")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** The install store has no such package, or cannot read or write it. */
export class PackageMissing extends Data.TaggedError("PackageMissing")<{
  readonly name: string
  readonly version: string
  readonly reason: string
}> {
  override get message() {
    return this.reason
  }
}

/** A package of this name and version is installed already. */
export class PackageExists extends Data.TaggedError("PackageExists")<{
  readonly name: string
  readonly version: string
  readonly path: string
}> {
  override get message() {
    return `chaincode ${this.path} exists`
  }
}

/** The local package carries another instantiation policy than the ledger (R63). */
export class PolicyMismatch extends Data.TaggedError("PolicyMismatch")<{
  readonly name: string
  readonly version: string
}> {
  override get message() {
    return `Instantiation policy mismatch for cc ${this.name}/${this.version}`
  }
}

/** The folder of the install store cannot be used (R3). */
export class InstallFolderUnusable extends Data.TaggedError("InstallFolderUnusable")<{
  readonly folder: string
  readonly reason: string
}> {
  override get message() {
    return this.reason
  }
}

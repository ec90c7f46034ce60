/** What can go wrong between the peer and the Docker daemon; the texts are those of the reference's client. */
import * as Data from "effect/Data"

/** The daemon refused a request, or could not be asked. */
export class DockerFailed extends Data.TaggedError("DockerFailed")<{
  /** The whole text. */
  readonly reason: string
  /** The daemon's HTTP status; undefined when there was no answer. */
  readonly status: number | undefined
}> {
  override get message() {
    return this.reason
  }
}

/** The daemon could not be addressed at all: endpoint or TLS files cannot be used. */
export class ClientInvalid extends Data.TaggedError("ClientInvalid")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** An image could not be built. */
export class BuildFailed extends Data.TaggedError("BuildFailed")<{
  readonly reason: string
  /** What the build printed. */
  readonly output: string
}> {
  override get message() {
    return this.reason
  }
}

/** Failures of the transport: data first, the message computed from it. */
import * as Data from "effect/Data"
import { codeName } from "./status.js"

/**
 * A gRPC status other than OK. Handlers fail with it to choose the code (any other failure becomes Unknown with its
 * text); client calls fail with it when the server answered so or the connection broke.
 */
export class GrpcFailure extends Data.TaggedError("GrpcFailure")<{
  /** One of `Code`. */
  readonly code: number
  /** The status text as it travels. */
  readonly details: string
}> {
  /** As Go prints a status error: command lines and logs show it so. */
  override get message() {
    return `rpc error: code = ${codeName(this.code)} desc = ${this.details}`
  }
}

/** The server's address could not be bound; `reason` has the form that Go prints after `listen tcp`. */
export class BindFailed extends Data.TaggedError("BindFailed")<{
  readonly address: string
  /** The system's error code (`EADDRINUSE`), when there is one. */
  readonly code: string | undefined
  readonly reason: string
}> {
  override get message() {
    return `listen tcp ${this.address}: ${this.reason}`
  }
}

/** Certificates, keys or roots that cannot be used. */
export class TlsMaterialInvalid extends Data.TaggedError("TlsMaterialInvalid")<{
  /** What was being read: `server certificate`, `client root CAs`, … */
  readonly what: string
  readonly reason: string
}> {
  override get message() {
    return `${this.what}: ${this.reason}`
  }
}

/** A service or method was added twice to one server. */
export class ServiceRefused extends Data.TaggedError("ServiceRefused")<{
  readonly service: string
  readonly reason: string
}> {
  override get message() {
    return `cannot add service ${this.service}: ${this.reason}`
  }
}

/** No connection came to be in time, or it never can (refused, certificate not trusted). */
export class ConnectFailed extends Data.TaggedError("ConnectFailed")<{
  readonly address: string
  /** What stood in the way at last, in Go's words where it has some. */
  readonly reason: string
  /** True when the time ran out, false when waiting longer could not have helped. */
  readonly timedOut: boolean
}> {
  /** The text that Fabric's command lines print after `failed to connect to A: `. */
  override get message() {
    return this.timedOut
      ? `failed to create new connection: context deadline exceeded (${this.reason})`
      : `failed to create new connection: connection error: desc = "transport: ${this.reason}"`
  }
}

/** A server that serves takes no more connections, though nobody told it to stop. */
export class ListenerDied extends Data.TaggedError("ListenerDied")<{
  readonly address: string
  readonly reason: string
}> {
  override get message() {
    return `the listener on ${this.address} has ended: ${this.reason}`
  }
}

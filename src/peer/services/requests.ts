/** What all services of the peer say of bytes that are not the message they take. */
import { Code, GrpcFailure } from "../../transport/index.js"

/** gRPC's own words in the reference, where the framework decodes requests of unary calls. */
export const unreadableRequest = (error: unknown): GrpcFailure =>
  new GrpcFailure({
    code: Code.Internal,
    details: `grpc: error unmarshalling request: ${error instanceof Error ? error.message : String(error)}`
  })

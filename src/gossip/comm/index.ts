/**
 * Connections between peers over gRPC: implements the `Comm` interface. Only wiring and tests import it; the protocol
 * code knows the interface.
 */
export * from "./Connection.js"
export type { DialCredentials } from "./dial.js"
export * as GrpcComm from "./GrpcComm.js"

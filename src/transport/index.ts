/**
 * gRPC over TLS: servers whose services live in layers, clients with back-pressure. Rank 2: imports config, crypto
 * and runtime; the only home of grpc-js.
 */
export { joinAddress, splitAddress } from "../config/address.js"
export type { ClientStream } from "./clientCall.js"
export * from "./errors.js"
export { type CallOptions, type Channel, type ClientKeepalive, type ConnectOptions, connect } from "./GrpcClient.js"
export {
  defaultThrottleSize,
  GrpcServer,
  type GrpcServerShape,
  make as makeGrpcServer,
  type ServerKeepalive,
  type ServerOptions
} from "./GrpcServer.js"
export * from "./handlers.js"
export * as Listen from "./Listen.js"
export { type Answer, type PipelinedOptions, pipelined } from "./pipelined.js"
export * as Reloading from "./reloading.js"
export { layer as layerServerPool, type PoolCall, type PoolEvents, ServerPool } from "./ServerPool.js"
export { maxMessageSize } from "./serverCall.js"
export { Code, codeName } from "./status.js"
export { makeThrottle, type Throttle } from "./Throttle.js"
export { type ClientTls, checkKeyPair, type KeyPair, type ServerTls, subjectText } from "./tls.js"

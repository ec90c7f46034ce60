/** gRPC services as plain data; src/transport binds them with codecs that leave the bytes alone. */
export {
  discovery_Discovery as Discovery,
  gossip_Gossip as Gossip,
  orderer_AtomicBroadcast as AtomicBroadcast,
  orderer_Cluster as Cluster,
  protos_Admin as Admin,
  protos_ChaincodeSupport as ChaincodeSupport,
  protos_Deliver as PeerDeliver,
  protos_Endorser as Endorser
} from "./gen/services.js"

export interface MethodDefinition {
  /** `/package.Service/Method`. */
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
}

export interface ServiceDefinition {
  /** `package.Service`. */
  readonly name: string
  readonly methods: Readonly<Record<string, MethodDefinition>>
}

/**
 * Stages 12 and 13: the address that this peer tells others.
 * Source: peer-endorse-validate.md 2.4; CacheConfiguration in core/peer/config.go.
 */
import { networkInterfaces } from "node:os"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { isUnspecified } from "../../chaincode/server/endpoint.js"
import { joinAddress, splitAddress } from "../../config/index.js"
import * as Log from "../../runtime/Log.js"
import { stage } from "../../runtime/Stage.js"
import { PeerConfig } from "../PeerConfig.js"
import { StartRefused } from "./failures.js"

export class Addresses extends Context.Tag("peer/stages/Addresses")<
  Addresses,
  {
    /** `host:port` told to others. */
    readonly endpoint: string
    /** Its host part. */
    readonly host: string
  }
>() {}

const log = Log.module("peer", "getLocalAddress")

export interface AddressInput {
  /** `peer.address` */
  readonly address: string
  /** `peer.addressAutoDetect` */
  readonly autoDetect: boolean
  /** First IPv4 address of this machine that is not its loopback; empty when there is none. */
  readonly localAddress: string
}

/** The peer's own address: as configured, or with this machine's address as its host. Pure. */
export const peerEndpoint = ({
  address,
  autoDetect,
  localAddress
}: AddressInput): Either.Either<Addresses["Type"], StartRefused> => {
  const refuse = (reason: string) => Either.left(new StartRefused({ reason }))
  if (address === "") return refuse("peer.address isn't set")
  const split = splitAddress(address)
  if (Either.isLeft(split)) return refuse(`peer.address isn't in host:port format: ${address}`)
  const { host, port } = split.right
  return Either.right(
    isUnspecified(host) || autoDetect
      ? { endpoint: joinAddress(localAddress, port), host: localAddress }
      : { endpoint: address, host }
  )
}

const firstAddress = (): string =>
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? ""

export const layer = Layer.effect(
  Addresses,
  Effect.gen(function* () {
    const { peer } = yield* PeerConfig
    const addresses = yield* peerEndpoint({
      address: peer.address,
      autoDetect: peer.addressAutoDetect,
      localAddress: firstAddress()
    })
    yield* log.info(`Returning ${addresses.endpoint}`)
    return addresses
  })
).pipe(stage("addresses", { remedy: "set peer.address to host:port, as others reach this peer" }))

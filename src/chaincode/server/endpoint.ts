/**
 * Where the chaincode server listens and what address chaincode is told. Pure; host names are never resolved.
 * Source: chaincode.md R1, R2; computeChaincodeEndpoint in peer/node/start.go.
 */
import * as net from "node:net"
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import { joinAddress, splitAddress } from "../../config/address.js"

const DEFAULT_PORT = 7052

export interface EndpointInput {
  /** `peer.chaincodeAddress`, empty when unset. */
  readonly chaincodeAddress: string
  /** `peer.chaincodeListenAddress`, empty when unset. */
  readonly listenAddress: string
  /** The host part of the peer's endpoint. */
  readonly peerHost: string
  /** `chaincode.mode` is `dev`. */
  readonly devMode: boolean
}

export interface Endpoint {
  /** What chaincode dials, `host:port`. */
  readonly address: string
  /** Its host part: goes into the server certificate. */
  readonly host: string
  /** What the server binds. */
  readonly listenAddress: string
  /** Lines for the log: a listen address that had to be assumed, a dev mode fallback. */
  readonly warnings: ReadonlyArray<string>
}

/** No address can be given to chaincode. */
export class EndpointInvalid extends Data.TaggedError("EndpointInvalid")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** `0.0.0.0` and `::` in every spelling, the IPv4 one inside IPv6 too. */
export const isUnspecified = (host: string): boolean => {
  if (net.isIPv4(host)) return host.split(".").every((part) => Number(part) === 0)
  if (!net.isIPv6(host) || host.includes("%")) return false
  const canonical = new URL(`http://[${host}]`).hostname
  return canonical === "[::]" || canonical === "[::ffff:0:0]"
}

const NO_ENDPOINT = "invalid endpoint for chaincode to connect"

const compute = ({ chaincodeAddress, listenAddress, peerHost }: EndpointInput): Either.Either<string, string> => {
  if (chaincodeAddress !== "") {
    return Either.flatMap(splitAddress(chaincodeAddress), ({ host }) =>
      isUnspecified(host) ? Either.left(NO_ENDPOINT) : Either.right(chaincodeAddress)
    )
  }
  const ofPeer = (port: number) =>
    isUnspecified(peerHost) ? Either.left(NO_ENDPOINT) : Either.right(joinAddress(peerHost, port))
  if (listenAddress === "") return ofPeer(DEFAULT_PORT)
  return Either.flatMap(splitAddress(listenAddress), ({ host, port }) =>
    isUnspecified(host) ? ofPeer(port) : Either.right(listenAddress)
  )
}

/**
 * The endpoint by cases A to D. A listen port of 0 stays 0 here: {@link withPort} puts the bound one in.
 * In dev mode every fault falls back to `0.0.0.0:7052`.
 */
export const chaincodeEndpoint = (input: EndpointInput): Either.Either<Endpoint, EndpointInvalid> => {
  const warnings: Array<string> = []
  const computed = compute(input)
  let address: string
  if (Either.isRight(computed)) address = computed.right
  else {
    if (!input.devMode) return Either.left(new EndpointInvalid({ reason: computed.left }))
    address = `0.0.0.0:${DEFAULT_PORT}`
    warnings.push(`use ${address} as chaincode endpoint because of error in computeChaincodeEndpoint: ${computed.left}`)
  }
  const split = splitAddress(address)
  if (Either.isLeft(split)) {
    return Either.left(
      new EndpointInvalid({ reason: `Chaincode service host ${address} isn't a valid hostname: ${split.left}` })
    )
  }
  let listenAddress = input.listenAddress
  if (listenAddress === "") {
    listenAddress = joinAddress(input.peerHost, DEFAULT_PORT)
    warnings.push(`peer.chaincodeListenAddress is not set, using ${listenAddress}`)
  }
  return Either.right({ address, host: split.right.host, listenAddress, warnings })
}

/** The endpoint with the port that was bound, where the computed one left it open (port 0). */
export const withPort = (endpoint: Endpoint, bound: number): Endpoint => {
  const split = splitAddress(endpoint.address)
  if (Either.isLeft(split) || split.right.port !== 0) return endpoint
  return { ...endpoint, address: joinAddress(split.right.host, bound) }
}

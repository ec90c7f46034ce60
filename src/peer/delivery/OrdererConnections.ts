/**
 * Connections to orderers as this peer makes them: whom it trusts, what it shows, how long it waits.
 * Source: peer-endorse-validate.md 3.7 rule 2, 3.8; DefaultConnectionFactory in core/deliverservice/deliveryclient.go.
 */
import { readFileSync } from "node:fs"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Bundle } from "../../channelconfig/index.js"
import * as Log from "../../runtime/Log.js"
import { type Channel, type ClientKeepalive, connect, type KeyPair } from "../../transport/index.js"
import { type AddressOverride, type AddressOverrides, type OrdererEndpoint, rootsFor } from "./endpoints.js"

const log = Log.module("peer", "GetOrdererAddressOverrides")

/** What this peer shows and trusts on connections that it opens; absent without TLS. */
export interface ClientCredentials extends KeyPair {
  /** SHA-256 of the certificate's DER: binds requests to the connection. */
  readonly certHash: Uint8Array
  /** `peer.tls.rootcert` and `peer.tls.serverRootCAs`, PEM. */
  readonly serverRoots: ReadonlyArray<Uint8Array>
}

export interface ConnectionsOptions {
  readonly credentials: ClientCredentials | undefined
  readonly keepalive: ClientKeepalive
  readonly connectTimeout: Duration.Duration
  /** `peer.deliveryclient.addressOverrides` as configured. */
  readonly overrides: ReadonlyArray<{ readonly from: string; readonly to: string; readonly caCertsFile: string }>
  /** `peer.deliveryclient.staticRootsEnabled`. */
  readonly staticRootsEnabled: boolean
}

export class OrdererConnections extends Context.Tag("peer/delivery/OrdererConnections")<
  OrdererConnections,
  {
    readonly overrides: AddressOverrides
    readonly tlsCertHash: Uint8Array | undefined
    /** Opens a connection under the configuration in force; closed with the scope. */
    readonly connect: (
      bundle: Bundle,
      endpoint: OrdererEndpoint
    ) => Effect.Effect<Channel, { readonly message: string }, Scope.Scope>
  }
>() {}

/** An override whose file cannot be read is left out with a warning. */
const readOverrides = (configured: ConnectionsOptions["overrides"]): Effect.Effect<AddressOverrides> =>
  Effect.gen(function* () {
    const overrides = new Map<string, AddressOverride>()
    for (const { caCertsFile, from, to } of configured) {
      if (caCertsFile === "") {
        overrides.set(from, { to, caCerts: undefined })
        continue
      }
      const read = yield* Effect.either(Effect.try(() => readFileSync(caCertsFile)))
      if (read._tag === "Right") overrides.set(from, { to, caCerts: read.right })
      else
        yield* log.warning(
          `could not read file '${caCertsFile}' specified for caCertsFile of orderer endpoint override from '${from}' to '${to}', skipping: ${read.left.message}`
        )
    }
    return overrides
  })

export const layer = (options: ConnectionsOptions): Layer.Layer<OrdererConnections> =>
  Layer.effect(
    OrdererConnections,
    Effect.gen(function* () {
      const { credentials } = options
      const overrides = yield* readOverrides(options.overrides)
      const staticRoots = credentials !== undefined && options.staticRootsEnabled ? credentials.serverRoots : []
      return {
        overrides,
        // looked up when asked for: certificates may change while the peer runs
        get tlsCertHash() {
          return credentials?.certHash
        },
        connect: (bundle, endpoint) =>
          connect(endpoint.address, {
            keepalive: options.keepalive,
            connectTimeout: options.connectTimeout,
            // a lost connection is the delivery client's to make anew, at the next orderer
            reconnect: false,
            ...(credentials === undefined
              ? {}
              : {
                  tls: {
                    rootCerts: rootsFor(bundle, endpoint, overrides, staticRoots),
                    clientCert: credentials.certificate,
                    clientKey: credentials.key
                  }
                })
          })
      }
    })
  )

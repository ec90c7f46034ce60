/** Connections to the nodes of a network, made when first used, closed with the scope; and who signs. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { broadcast } from "../../client/index.js"
import { loadLocalMsp, type Signer } from "../../msp/index.js"
import { type Channel, connect } from "../../transport/index.js"
import { common } from "../../wire/index.js"
import { StepFailed } from "../errors.js"
import type { Shape } from "../layout.js"
import * as layout from "../layout.js"
import { splitLabel } from "../profile.js"
import type { OrgSpec } from "../spec.js"
import { failing } from "./failing.js"

export interface Connections {
  readonly orderer: Effect.Effect<Channel, StepFailed>
  /** Hands an envelope to the orderer; one that orders through Kafka is given time to reach a new channel's topic. */
  readonly order: (envelope: Uint8Array) => Effect.Effect<void, StepFailed>
  /** The peer of that host name. */
  readonly peer: (host: string) => Effect.Effect<Channel, StepFailed>
  /** The first peer of an organisation; of the first one unless said otherwise. */
  readonly firstPeer: (org?: OrgSpec) => Effect.Effect<Channel, StepFailed>
  readonly admin: (org?: OrgSpec) => Effect.Effect<Signer, StepFailed>
  /** The identity that the wallet has under that label: `admin`, `user1@org2`. */
  readonly identity: (label: string) => Effect.Effect<Signer, StepFailed>
}

const signerOf = (dir: string, org: OrgSpec, user: string): Effect.Effect<Signer, StepFailed> =>
  loadLocalMsp({ dir: join(layout.userMaterial(dir, org, user), "msp"), mspId: org.mspId }).pipe(
    Effect.map(({ signer }) => signer),
    failing(`identity of ${user}@${org.domain}`)
  )

/** How to reach a node of a network: TLS with the CA that signed its certificate, or plain text. */
export const connectionOptions = (tls: boolean, host: string, caFile: string) =>
  tls ? { tls: { rootCerts: [readFileSync(caFile)], serverNameOverride: host } } : {}

/** In: the network as it is when a connection is asked for. */
/** Whether an orderer says that it cannot serve just now. */
export const isUnavailable = (error: { readonly _tag: string; readonly status?: unknown }): boolean =>
  (error._tag === "BroadcastRefused" || error._tag === "DeliverEnded") &&
  error.status === common.Status.SERVICE_UNAVAILABLE

/** How long one that orders through Kafka is waited for. */
export const patience = Schedule.intersect(Schedule.spaced("200 millis"), Schedule.recurs(300))

export const makeConnections = (shape: () => Shape): Effect.Effect<Connections, StepFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const [firstOrg] = shape().spec.orgs
    if (firstOrg === undefined)
      return yield* new StepFailed({ step: "network", reason: "no organisation", cause: undefined })

    /** Made once: a failed attempt is made again by the next user. */
    const once = <A>(make: Effect.Effect<A, StepFailed>) => {
      const lock = Effect.unsafeMakeSemaphore(1)
      let made: A | undefined
      return lock.withPermits(1)(
        Effect.suspend(() =>
          made === undefined ? Effect.tap(make, (value) => Effect.sync(() => (made = value))) : Effect.succeed(made)
        )
      )
    }
    const open = (host: string, port: number, caFile: string) =>
      Effect.suspend(() =>
        connect(`127.0.0.1:${port}`, {
          ...connectionOptions(shape().spec.tls, host, caFile),
          connectTimeout: "10 seconds",
          reconnect: { initial: "50 millis", max: "1 second" }
        })
      ).pipe(Scope.extend(scope), failing(`connect to ${host}`))

    const { ports, spec } = shape()
    const orderer = once(open(spec.orderer.host, ports.orderer, layout.ordererTlsCa(spec.dir, spec.orderer)))
    const peers = new Map<string, Effect.Effect<Channel, StepFailed>>()
    const signers = new Map<string, Effect.Effect<Signer, StepFailed>>()
    /** The value of a key, made when it is first asked for. */
    const kept = <A>(
      map: Map<string, Effect.Effect<A, StepFailed>>,
      key: string,
      make: () => Effect.Effect<A, StepFailed>
    ) => {
      const value = map.get(key) ?? once(make())
      map.set(key, value)
      return value
    }
    const unknown = (what: string) => new StepFailed({ step: "network", reason: what, cause: undefined })
    const peer: Connections["peer"] = (host) =>
      Effect.suspend(() => {
        const now = shape()
        const place = layout.peersOf(now.spec).find((one) => one.host === host)
        if (place === undefined) return unknown(`there is no peer ${host}`)
        const port = now.ports.peers[host]?.peer ?? 0
        return kept(peers, `${host}:${port}`, () => open(host, port, layout.orgTlsCa(spec.dir, place.org)))
      })
    const signer = (org: OrgSpec, user: string) =>
      kept(signers, `${user}@${org.name}`, () => signerOf(spec.dir, org, user))
    const ordering = (channel: Channel, envelope: Uint8Array) => {
      const sent = broadcast(channel, envelope)
      return spec.brokers.length === 0 ? sent : Effect.retry(sent, { schedule: patience, while: isUnavailable })
    }
    return {
      orderer,
      order: (envelope) => Effect.flatMap(orderer, (channel) => ordering(channel, envelope)).pipe(failing("order")),
      peer,
      firstPeer: (org = firstOrg) => peer(layout.peerHost(org, 0)),
      admin: (org = firstOrg) => signer(org, "Admin"),
      identity: (label) => {
        const { org, user } = splitLabel(label, shape().spec.orgs)
        return org !== undefined && layout.usersOf(org).includes(user)
          ? signer(org, user)
          : unknown(`the wallet has no identity '${label}'`)
      }
    }
  })

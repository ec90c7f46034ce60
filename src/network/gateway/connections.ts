/** Connections to the nodes of a network, made when first used, closed with the scope; and who signs. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { loadLocalMsp, type Signer } from "../../msp/index.js"
import { type Channel, connect } from "../../transport/index.js"
import { StepFailed } from "../errors.js"
import type { NetworkPorts } from "../layout.js"
import * as layout from "../layout.js"
import { splitLabel } from "../profile.js"
import type { NetworkSpec, OrgSpec } from "../spec.js"
import { failing } from "./failing.js"

export interface Connections {
  readonly orderer: Effect.Effect<Channel, StepFailed>
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

export const makeConnections = (
  spec: NetworkSpec,
  ports: NetworkPorts
): Effect.Effect<Connections, StepFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const [firstOrg] = spec.orgs
    if (firstOrg === undefined)
      return yield* new StepFailed({ step: "network", reason: "no organisation", cause: undefined })

    /** Made once: a failed attempt is made again by the next user. */
    const once = <A>(make: Effect.Effect<A, StepFailed>) =>
      Effect.gen(function* () {
        const lock = yield* Effect.makeSemaphore(1)
        let made: A | undefined
        return lock.withPermits(1)(
          Effect.suspend(() =>
            made === undefined ? Effect.tap(make, (value) => Effect.sync(() => (made = value))) : Effect.succeed(made)
          )
        )
      })
    const open = (host: string, port: number, caFile: string) =>
      Effect.suspend(() =>
        connect(`127.0.0.1:${port}`, {
          ...connectionOptions(spec.tls, host, caFile),
          connectTimeout: "10 seconds",
          reconnect: { initial: "50 millis", max: "1 second" }
        })
      ).pipe(Scope.extend(scope), failing(`connect to ${host}`))

    const orderer = yield* once(open(layout.ORDERER_HOST, ports.orderer, layout.ordererTlsCa(spec.dir)))
    const peers = new Map<string, Effect.Effect<Channel, StepFailed>>()
    for (const { host, org } of layout.peersOf(spec))
      peers.set(host, yield* once(open(host, ports.peers[host]?.peer ?? 0, layout.orgTlsCa(spec.dir, org))))
    const signers = new Map<string, Effect.Effect<Signer, StepFailed>>()
    for (const org of spec.orgs)
      for (const user of layout.usersOf(org))
        signers.set(`${user}@${org.name}`, yield* once(signerOf(spec.dir, org, user)))

    const unknown = (what: string) => new StepFailed({ step: "network", reason: what, cause: undefined })
    const peer: Connections["peer"] = (host) => peers.get(host) ?? unknown(`there is no peer ${host}`)
    return {
      orderer,
      peer,
      firstPeer: (org = firstOrg) => peer(layout.peerHost(org, 0)),
      admin: (org = firstOrg) => signers.get(`Admin@${org.name}`) ?? unknown(`${org.name} has no admin`),
      identity: (label) => {
        const { org, user } = splitLabel(label, spec.orgs)
        return signers.get(`${user}@${org?.name}`) ?? unknown(`the wallet has no identity '${label}'`)
      }
    }
  })

/** The core over real streams: peers find each other, spread messages, and notice who is gone and who is back. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { expect, it } from "vitest"
import { makeGossip } from "../../../src/gossip/core/index.js"
import {
  Comm,
  type GossipSettings,
  type GossipShape,
  type JoinChannel,
  makeSystemTimers,
  Security,
  SystemTimers
} from "../../../src/gossip/index.js"
import { referenceSettings } from "../../../src/gossip/simulation/settings.js"
import { utf8 } from "../../../src/wire/bytes.js"
import { gossip } from "../../../src/wire/index.js"
import { type PeerOptions, peer, securityOf, type TestPeer, tlsOf, until } from "./support.js"

const run = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))

/** The reference's rhythm, ten times as fast. */
const quick = (endpoint: string, bootstrap: ReadonlyArray<string>): GossipSettings => {
  const made = referenceSettings(endpoint, endpoint, bootstrap)
  return {
    ...made,
    membership: {
      ...made.membership,
      aliveTimeIntervalMs: 300,
      aliveExpirationTimeoutMs: 2000,
      aliveExpirationCheckIntervalMs: 200,
      reconnectIntervalMs: 500
    },
    pull: { ...made.pull, pullIntervalMs: 400, digestWaitTimeMs: 100, requestWaitTimeMs: 500, responseWaitTimeMs: 300 },
    channel: { ...made.channel, requestStateInfoIntervalMs: 400, publishStateInfoIntervalMs: 400 }
  }
}

interface Member extends TestPeer {
  readonly gossip: GossipShape
}

const member = (options: PeerOptions, bootstrap: ReadonlyArray<Member>) =>
  Effect.gen(function* () {
    const node = yield* peer(options)
    const core = yield* node.extend(
      Effect.gen(function* () {
        const timers = yield* makeSystemTimers
        return yield* makeGossip({
          settings: quick(
            node.address,
            bootstrap.map(({ address }) => address)
          ),
          identities: node.identities,
          org: node.own.org
        }).pipe(
          Effect.provideService(Comm, node.comm),
          Effect.provideService(Security, securityOf(node.own, new Set(["Org1MSP", "Org2MSP"]))),
          Effect.provideService(SystemTimers, timers)
        )
      })
    )
    const made: Member = { ...node, gossip: core }
    return made
  })

const seen = (of: Member): ReadonlyArray<string> => of.gossip.peers().map(({ endpoint }) => endpoint)
const knowEachOther = (members: ReadonlyArray<Member>): boolean =>
  members.every((one) => members.every((other) => one === other || seen(one).includes(other.address)))

const channel = (anchor: Member, orgs: ReadonlyArray<string>): JoinChannel => {
  const [host = "", port = ""] = anchor.address.split(":")
  return {
    channelId: "ch",
    sequence: 1n,
    orgs,
    anchorPeers: new Map([[anchor.own.org, [{ host, port: Number(port) }]]])
  }
}

it(
  "own-org peers that know one of them list each other, spread a block, and notice who goes and comes",
  { timeout: 60_000 },
  () =>
    run(
      Effect.gen(function* () {
        const tls = tlsOf()
        const a = yield* member({ tls }, [])
        const b = yield* member({ tls }, [a])
        const c = yield* member({ tls }, [a])
        const all = [a, b, c]
        yield* until(() => knowEachOther(all))
        for (const one of all) {
          one.gossip.joinChannel(channel(a, ["Org1MSP"]))
          one.gossip.updateLedgerHeight("ch", 1n)
        }
        yield* until(() => all.every((one) => one.gossip.peersOfChannel("ch").length === 2))
        const heard = new Set<Member>()
        for (const one of [b, c]) {
          one.gossip.subscribe(
            ({ message }) => message.dataMsg?.payload?.seqNum === 1n,
            () => void heard.add(one)
          )
        }
        a.gossip.gossip(
          gossip.GossipMessage.create({
            tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
            channel: utf8("ch"),
            dataMsg: { payload: { seqNum: 1n, data: utf8("block") } }
          })
        )
        yield* until(() => heard.size === 2)
        yield* c.close
        yield* until(() => [a, b].every((one) => !seen(one).includes(c.address)))
        expect(knowEachOther([a, b])).toBe(true)
        const back = yield* member({ tls, identity: c.own }, [a])
        yield* until(() => knowEachOther([a, b, back]))
      })
    )
)

it(
  "two organisations find each other by an anchor, and keep their inner addresses to themselves",
  { timeout: 60_000 },
  () =>
    run(
      Effect.gen(function* () {
        const a = yield* member({ org: "Org1MSP" }, [])
        const b = yield* member({ org: "Org1MSP" }, [a])
        const c = yield* member({ org: "Org2MSP" }, [])
        const all = [a, b, c]
        for (const one of all) {
          one.gossip.joinChannel(channel(a, ["Org1MSP", "Org2MSP"]))
          one.gossip.updateLedgerHeight("ch", 1n)
        }
        yield* until(() => knowEachOther(all))
        const secrets = c.received.flatMap(({ message, envelope }) =>
          [envelope, ...(message.memRes?.alive ?? [])].filter(({ secretEnvelope }) => secretEnvelope !== undefined)
        )
        expect(secrets).toEqual([])
        expect(c.gossip.peers().map(({ internalEndpoint }) => internalEndpoint)).toEqual(["", ""])
        yield* until(() => all.every((one) => one.gossip.peersOfChannel("ch").length === 2))
      })
    )
)

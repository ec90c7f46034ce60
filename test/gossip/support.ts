/** Messages and lone peers for gossip's tests. */

import * as Either from "effect/Either"
import { afterEach } from "vitest"
import { IdentityMapper } from "../../src/gossip/identity/index.js"
import type { ConnectionInfo, ReceivedMessage, SignedGossipMessage } from "../../src/gossip/index.js"
import { sealed, unsigned, withSecret } from "../../src/gossip/signing.js"
import { SimTimers } from "../../src/gossip/simulation/SimClock.js"
import type { SimPeer } from "../../src/gossip/simulation/SimNetwork.js"
import { type SimNode, type SimOptions, Simulation } from "../../src/gossip/simulation/Simulation.js"
import { simIdentity, simPkiId, simSecurity, simSign } from "../../src/gossip/simulation/simSecurity.js"
import { gossip } from "../../src/wire/index.js"
import type { Init } from "../../src/wire/types.js"

export const { EMPTY, ORG_ONLY, CHAN_ONLY, CHAN_AND_ORG, CHAN_OR_ORG } = gossip.GossipMessage_Tag

/** An identity with what follows from it, as the simulation's security sees it. */
export const person = (org: string, name: string) => {
  const identity = simIdentity(org, name)
  return { org, identity, pkiId: simPkiId(identity), sign: (message: Uint8Array) => simSign(identity, message) }
}
export type Person = ReturnType<typeof person>

export interface AliveOptions {
  readonly endpoint?: string
  readonly internal?: string
  readonly inc?: bigint
  readonly seq: bigint
  readonly inline?: boolean
}

export const alive = (who: Person, { endpoint = "", internal = "", inc = 1n, seq, inline }: AliveOptions) => {
  const message = sealed(
    {
      tag: EMPTY,
      aliveMsg: {
        membership: { endpoint, pkiId: who.pkiId },
        timestamp: { incNum: inc, seqNum: seq },
        ...(inline === true ? { identity: who.identity } : {})
      }
    },
    who.sign
  )
  return internal === "" ? message : withSecret(message, internal, who.sign)
}

export const block = (number: bigint, data: Uint8Array = new Uint8Array(0), channel = "ch"): SignedGossipMessage =>
  unsigned({ channel: Buffer.from(channel), tag: CHAN_AND_ORG, dataMsg: { payload: { seqNum: number, data } } })

/** A peer of the network without a core: sends what the test says, and keeps what comes. */
export class LonePeer {
  readonly got: Array<ReceivedMessage> = []
  readonly comm: SimPeer

  constructor(
    readonly simulation: Simulation,
    readonly who: Person,
    readonly endpoint: string
  ) {
    const security = simSecurity(simulation.authority, who.identity)
    const identities = Either.getOrThrow(IdentityMapper.make({ timers: new SimTimers(simulation.clock), security }))
    this.comm = simulation.network.attach(endpoint, who.identity, identities)
    this.comm.subscribe(
      () => true,
      (message) => void this.got.push(message)
    )
  }

  /** Over the network, after its delay. */
  send(message: SignedGossipMessage, to: SimNode): void {
    this.comm.send(message, [{ endpoint: to.endpoint, pkiId: to.comm.pkiId }])
  }

  /** Messages that came, of one kind. */
  of<K extends keyof gossip.GossipMessage>(kind: K): Array<NonNullable<gossip.GossipMessage[K]>> {
    const found: Array<NonNullable<gossip.GossipMessage[K]>> = []
    for (const { message } of this.got) {
      const content = message[kind]
      if (content !== undefined && content !== null) found.push(content)
    }
    return found
  }
}

export const connectionOf = (who: Person, endpoint = "somewhere:1"): ConnectionInfo => ({
  pkiId: who.pkiId,
  identity: who.identity,
  endpoint,
  auth: { signedData: new Uint8Array(0), signature: new Uint8Array(0) }
})

/** A message as it comes from `who`, its answers kept. */
export const receivedFrom = (
  who: Person,
  message: SignedGossipMessage
): ReceivedMessage & { readonly answers: Array<gossip.GossipMessage> } => {
  const answers: Array<gossip.GossipMessage> = []
  return {
    ...message,
    connection: connectionOf(who),
    respond: (answer) => void answers.push(answer),
    ack: () => {},
    answers
  }
}

export const envelopeOf = (message: Init<gossip.GossipMessage>): SignedGossipMessage => unsigned(message)

/** Starts simulated networks for one test file, their log kept as `node level text`; each ends with its test. */
export const networks = (seed: number) => {
  let running: Array<Simulation> = []
  afterEach(() => {
    for (const simulation of running) simulation.stop()
    running = []
  })
  return (options: Partial<SimOptions> & Pick<SimOptions, "orgs">) => {
    const log: Array<string> = []
    const simulation = new Simulation({
      seed,
      ...options,
      log: (name, level, text) => void log.push(`${name} ${level} ${text}`)
    })
    running.push(simulation)
    simulation.start()
    return { simulation, log, nodes: simulation.nodes }
  }
}

export const nodeOf = (simulation: Simulation, name: string): SimNode => {
  const found = simulation.nodes.find((one) => one.name === name)
  if (found === undefined) throw new Error(`no node ${name}`)
  return found
}

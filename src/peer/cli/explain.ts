/**
 * `--explain`: behind the reference's text, who asked, and which policy was not satisfied by which identity or signature.
 * Told from the channel's configuration and the chaincode's definition, as any member can read them: it works against Go
 * nodes too. Beyond Fabric.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { aclPolicyFor, Bundle, configUpdateLines, explainConfigUpdate } from "../../channelconfig/index.js"
import {
  channelWriters,
  describeIdentity,
  explainPolicy,
  explainSignaturePolicy,
  explanationLines,
  type SignedData
} from "../../policy/index.js"
import { lastConfigIndex } from "../../wire/block.js"
import { ccprovider, common, type protos } from "../../wire/index.js"
import { type ChaincodePeer, configBlock, propose } from "./chaincode/clients.js"
import { readBlock } from "./channel/blocks.js"
import type { BlockNode } from "./channel/factory.js"
import { CommandFailed, failed, failing } from "./errors.js"
import type { Session } from "./Session.js"

type Lines = ReadonlyArray<string>

/** Adds an explanation to a failure when `--explain` was given; one that cannot be had says why. */
export const explaining =
  (session: Session, explain: Effect.Effect<Lines, CommandFailed, Scope.Scope>) =>
  <A, E, R>(work: Effect.Effect<A, E | CommandFailed, R>): Effect.Effect<A, E | CommandFailed, R | Scope.Scope> =>
    session.flags.is("explain")
      ? Effect.catchIf(
          work,
          (error): error is CommandFailed => error instanceof CommandFailed && error.explanation === undefined,
          (error) =>
            Effect.flatMap(
              Effect.catchAll(explain, ({ text }) => Effect.succeed([`no explanation can be had: ${text}`])),
              (explanation) => new CommandFailed({ ...error, explanation: [caller(session), ...explanation] })
            )
        )
      : work

const caller = ({ msp, signer }: Session): string => {
  const { mspId, subject } = describeIdentity(signer.serialized, msp.msp)
  return `asked by ${mspId} ${subject}`
}

/** Something that the caller signs, to see what its signature is worth. */
const ownSignature = ({ signer }: Session): ReadonlyArray<SignedData> => {
  const data = new Uint8Array(32)
  return [{ data, identity: signer.serialized, signature: signer.sign(data) }]
}

const bundleOf = (block: common.Block): Effect.Effect<Bundle, CommandFailed> =>
  Effect.mapError(Bundle.fromBlock(block), (error) => failed(`the configuration cannot be used: ${error.message}`))

// ---- Config updates ----------------------------------------------------------------------------------------------

/** The configuration in force, from a node that delivers blocks. */
const deliveredBundle = (session: Session, node: BlockNode, channelId: string): Effect.Effect<Bundle, CommandFailed> =>
  Effect.gen(function* () {
    const newest = yield* readBlock(session, node, channelId, "newest", true)
    const index = yield* Effect.try({ try: () => lastConfigIndex(newest.block), catch: (e) => failed(String(e)) })
    return yield* bundleOf((yield* readBlock(session, node, channelId, index, true)).block)
  })

/** In: who delivers the channel's blocks, and the envelope that was refused. */
export const explainUpdate = (
  session: Session,
  node: Effect.Effect<BlockNode, CommandFailed, Scope.Scope>,
  channelId: string,
  envelope: Uint8Array
): Effect.Effect<Lines, CommandFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const bundle = yield* deliveredBundle(session, yield* node, channelId)
    const refusal = explainConfigUpdate(bundle, common.Envelope.decode(envelope))
    const lines = configUpdateLines(refusal)
    return lines.length === 0
      ? ["by the configuration in force signatures and versions are as they must be: look at the orderer's log"]
      : lines
  })

/** Who has signed the config update in an envelope; no channel is asked. */
export const signersOf = (session: Session, envelope: Uint8Array): Lines => {
  const payload = common.Payload.decode(common.Envelope.decode(envelope).payload)
  const { signatures } = common.ConfigUpdateEnvelope.decode(payload.data)
  return [
    `the update has ${signatures.length} signature(s):`,
    ...signatures.map(({ signatureHeader }, i) => {
      const { creator } = common.SignatureHeader.decode(signatureHeader)
      const { mspId, subject } = describeIdentity(creator, session.msp.msp)
      return `  ${i}: ${mspId} ${subject}`.trimEnd()
    })
  ]
}

// ---- Chaincode ---------------------------------------------------------------------------------------------------

const peerBundle = (session: Session, peer: ChaincodePeer, channelId: string): Effect.Effect<Bundle, CommandFailed> =>
  Effect.flatMap(configBlock(session, peer, channelId), bundleOf)

/** Whether the caller may propose and send to the channel. */
export const explainAccess = (
  session: Session,
  peer: ChaincodePeer,
  channelId: string
): Effect.Effect<Lines, CommandFailed> =>
  Effect.map(peerBundle(session, peer, channelId), (bundle) => {
    const { mspManager, policyManager } = bundle
    const own = ownSignature(session)
    const told = (what: string, policy: string): Lines => {
      const explanation = explainPolicy(policyManager, policy, own, mspManager)
      return [`${what}: ${explanation.finding.satisfied ? "allowed" : "not allowed"}`, ...explanationLines(explanation)]
    }
    const propose = aclPolicyFor(bundle, "peer/Propose")
    return [
      ...(propose === undefined ? [] : told("proposals (peer/Propose)", propose)),
      ...told("transactions to the orderer", channelWriters)
    ]
  })

/** What the answers are worth under the chaincode's policy; undefined when they suffice. */
export const explainEndorsements = (
  session: Session,
  peer: ChaincodePeer,
  channelId: string,
  chaincode: string,
  answers: ReadonlyArray<protos.ProposalResponse>
): Effect.Effect<Lines | undefined, CommandFailed> =>
  Effect.gen(function* () {
    const { mspManager } = yield* peerBundle(session, peer, channelId)
    const call = { chaincode: "lscc", args: ["getccdata", channelId, chaincode] }
    const { answer } = yield* propose(session, peer, call, channelId).pipe(failing())
    const { message = "", payload = new Uint8Array(), status = 0 } = answer.response ?? {}
    if (status !== 200) return yield* failed(`the chaincode's definition cannot be read: ${message}`)
    const { policy } = yield* Effect.try({
      try: () => ccprovider.ChaincodeData.decode(payload),
      catch: (error) => failed(`the chaincode's definition cannot be read: ${String(error)}`)
    })
    const set = answers.flatMap(({ endorsement, payload: data }) =>
      endorsement === undefined
        ? []
        : [
            {
              data: Uint8Array.from(Buffer.concat([data, endorsement.endorser])),
              identity: endorsement.endorser,
              signature: endorsement.signature
            }
          ]
    )
    const explanation = explainSignaturePolicy(`chaincode ${chaincode}`, policy, set, mspManager)
    if (explanation.finding.satisfied) return undefined
    return ["the endorsements do not satisfy the chaincode's policy:", ...explanationLines(explanation)]
  })

/**
 * `--explain`: behind the reference's text, who asked, and which policy was not satisfied by which identity or signature.
 * Told from the channel's configuration and the chaincode's definition, as any member can read them: it works against Go
 * nodes too. Why a committed transaction is not valid only the peer can tell. Beyond Fabric.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { aclPolicyFor, Bundle, configUpdateLines, explainConfigUpdate } from "../../channelconfig/index.js"
import { askCauses, causeLines, causesForgotten } from "../../client/index.js"
import { joinAddress, splitAddress } from "../../config/index.js"
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
import { readBytes } from "./CliIo.js"
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

// ---- Committed and not valid -------------------------------------------------------------------------------------

/** Where a service that listens on `listen` is reached: one on all addresses at the peer's own host. */
const reachable = (listen: string, peer: string): string | undefined => {
  const own = Either.getOrUndefined(splitAddress(listen))
  if (own === undefined || own.port === 0) return undefined
  const everywhere = own.host === "" || own.host === "0.0.0.0" || own.host === "::"
  const host = everywhere ? Either.getOrUndefined(splitAddress(peer))?.host : own.host
  return host === undefined ? undefined : joinAddress(host, own.port)
}

/** What the operations service's TLS is answered with: the peer's authorities and the client's own pair. */
const operationsTls = ({ config: { operations, peer }, io }: Session) =>
  Effect.gen(function* () {
    const read = (path: string) => readBytes(io, path).pipe(failing())
    const { clientCert, clientKey, rootcert } = peer.tls
    const roots = [rootcert.file, ...operations.tls.clientRootCAs.files].filter((path) => path !== "")
    const pair = clientCert.file === "" || clientKey.file === "" ? undefined : { clientCert, clientKey }
    return {
      rootCerts: yield* Effect.forEach(roots, read),
      ...(pair === undefined
        ? {}
        : { clientCert: yield* read(pair.clientCert.file), clientKey: yield* read(pair.clientKey.file) })
    }
  })

/**
 * Why a committed transaction is not valid (which key, the version read and the one in state; which policy): nothing that
 * a client could find out by itself, so the peer is asked on its operations service, `operations.listenAddress` of the
 * configuration. Never fails: who cannot be asked is told.
 */
export const explainInvalid = (
  session: Session,
  peerAddress: string,
  channelId: string,
  txId: string
): Effect.Effect<Lines> => {
  const { listenAddress, tls } = session.config.operations
  const address = reachable(listenAddress, peerAddress)
  const elsewhere = `the peer's log has the cause, and so has its operations service: /explain?txid=${txId}`
  if (address === undefined)
    return Effect.succeed([
      "the peer cannot be asked why: operations.listenAddress (CORE_OPERATIONS_LISTENADDRESS) names no address of its operations service",
      elsewhere
    ])
  return Effect.gen(function* () {
    const secured = tls.enabled ? { tls: yield* operationsTls(session) } : {}
    const told = yield* askCauses({ address, txId, channelId, ...secured })
    if (told === undefined)
      return [
        `the operations service at ${address} does not know transaction ${txId}: it is another peer's, or a Go peer's, or operations.explain.entries is 0`,
        elsewhere
      ]
    const forgotten = causesForgotten(told) ? ["the cause is not kept there any more", elsewhere] : []
    return [`${address} tells:`, ...causeLines(told).map((line) => `  ${line}`), ...forgotten]
  }).pipe(Effect.catchAll(({ message }) => Effect.succeed([`the peer cannot be asked why: ${message}`, elsewhere])))
}

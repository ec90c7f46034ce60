/** `invoke`, `query`, `instantiate`, `upgrade`. Source: operations-cli.md 4.2, 4.3; peer/chaincode/{common,instantiate}.go. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  type Answer,
  type BlockSource,
  type ClientSigner,
  filteredBlocks,
  forever,
  makeProposal,
  makeTransaction,
  moment,
  type Proposal,
  sendProposal,
  statusName,
  system
} from "../../../client/index.js"
import { textOf } from "../../../runtime/Stage.js"
import type { Channel } from "../../../transport/index.js"
import { protos } from "../../../wire/index.js"
import { equalBytes } from "../../../wire/protoutil.js"
import { type CommandFailed, failed, failing, misused } from "../errors.js"
import { explainAccess, explainEndorsements, explainInvalid, explaining } from "../explain.js"
import { byteList, proposalResponseText, responseText } from "../goText.js"
import { send } from "../orderer.js"
import type { Command, Session } from "../Session.js"
import { type ChaincodePeer, type Clients, connectOrderer, connectPeers, log, propose } from "./clients.js"
import { readTransient } from "./input.js"
import { deployment, deploymentSpec, readParameters } from "./spec.js"

const ERROR_THRESHOLD = 400

const channelOf = ({ flags }: Session): Effect.Effect<string, CommandFailed> => {
  const channelId = flags.text("channelID")
  return channelId === ""
    ? misused("The required parameter 'channelID' is empty. Rerun the command with -C flag")
    : Effect.succeed(channelId)
}

/** The transaction of a proposal and its answers; failures in the reference's words. */
const assemble = (
  proposal: Proposal,
  answers: ReadonlyArray<Answer>,
  signer: ClientSigner,
  prefix: string
): Effect.Effect<Uint8Array, CommandFailed> => {
  const refused = (status: number, text: string) =>
    failed(`${prefix}proposal response was not successful, error code ${status}, msg ${text}`)
  const differ = failed(`${prefix}ProposalResponsePayloads do not match`)
  const [first, ...others] = answers.map(({ response }) => response)
  // the first answer's status counts; of the others only whether they endorse the same
  const { message = "", status = 0 } = first?.response ?? {}
  if (status < 200 || status >= ERROR_THRESHOLD) return refused(status, message)
  const payload = first?.payload ?? new Uint8Array()
  if (!others.every((other) => equalBytes(other.payload, payload))) return differ
  return Effect.mapError(makeTransaction(proposal, answers, signer), (error) => {
    if (error._tag === "ProposalRefused") return refused(error.status, error.text)
    return error._tag === "EndorsementsDiffer" ? differ : failed(`${prefix}${error.message}`)
  })
}

// ---- Instantiate, upgrade ----------------------------------------------------------------------------------------

const deploy =
  (command: "instantiate" | "upgrade"): Command =>
  (session) =>
    Effect.gen(function* () {
      const channelId = yield* channelOf(session)
      const clients = yield* connectPeers(session, command, channelId)
      const orderer = yield* connectOrderer(session, clients, channelId)
      const spec = yield* deploymentSpec(session, yield* readParameters(session, command), false)
      const { collections, endorsementPolicy, escc, vscc } = yield* deployment(session)
      const call = system.deploy(command === "upgrade" ? "upgrade" : "deploy", {
        channelId,
        spec,
        escc,
        vscc,
        ...(endorsementPolicy === undefined ? {} : { endorsementPolicy }),
        ...(collections === undefined ? {} : { collections })
      })
      const [peer] = clients.peers
      session.step("the peer builds and starts the chaincode")
      yield* Effect.gen(function* () {
        const { answer, proposal } = yield* propose(session, peer, call, channelId).pipe(
          failing("error endorsing chaincode: ")
        )
        const answers = [{ address: peer.channel.address, response: answer }]
        const prefix = "could not assemble transaction, err "
        yield* send(orderer, yield* assemble(proposal, answers, session.signer, prefix))
      }).pipe(explaining(session, explainAccess(session, peer, channelId)))
    })

export const instantiate = deploy("instantiate")
export const upgrade = deploy("upgrade")

// ---- Waiting for the commit --------------------------------------------------------------------------------------

interface Watched {
  readonly peer: ChaincodePeer
  readonly blocks: BlockSource<protos.FilteredBlock>
}

const watch = (
  session: Session,
  { peers, tlsCertHash }: Clients,
  channelId: string
): Effect.Effect<ReadonlyArray<Watched>, CommandFailed, Scope.Scope> =>
  Effect.forEach(peers, (peer) => {
    const request = {
      channelId,
      signer: session.signer,
      seek: { start: "newest", stop: forever } as const,
      ...(tlsCertHash === undefined ? {} : { tlsCertHash })
    }
    const failure = `failed to connect to deliver on all peers: error connecting to deliver filtered at ${peer.address}: `
    return filteredBlocks(peer.channel, request).pipe(
      failing(failure),
      Effect.map((blocks) => ({ peer, blocks }))
    )
  })

/** Reads filtered blocks until one has the transaction; gives its validation code. */
const committed = (txId: string, { blocks, peer: { address } }: Watched): Effect.Effect<number, CommandFailed> => {
  const ended = (status: string) => failed(`deliver completed with status (${status}) before txid received`)
  const next = blocks.next.pipe(
    Effect.mapError((error) => {
      if (error._tag === "DeliverEnded") return ended(statusName(error.status))
      const cause = error._tag === "AnswerMalformed" ? "EOF" : error.message
      return failed(`error receiving from deliver filtered at ${address}: ${cause}`)
    })
  )
  const search: Effect.Effect<number, CommandFailed> = Effect.flatMap(next, (block) => {
    if (block === undefined) return ended("SUCCESS")
    const found = block.filteredTransactions.find(({ txid }) => txid === txId)
    if (found === undefined) return search
    const code = protos.TxValidationCodeInfo.nameOf(found.txValidationCode) ?? String(found.txValidationCode)
    const said = log.at("ClientWait").info(`txid [${txId}] committed with status (${code}) at ${address}`)
    return Effect.as(said, found.txValidationCode)
  })
  return search
}

// ---- Invoke, query -----------------------------------------------------------------------------------------------

/** Has all peers of the command endorse the call. */
const proposeToAll = (session: Session, clients: Clients, channelId: string, verb: "invoke" | "query") =>
  Effect.gen(function* () {
    const parameters = yield* readParameters(session, verb)
    const behind = (text: string) => failed(`${text} - proposal response: <nil>`)
    const transient = yield* Effect.mapError(readTransient(session.flags.text("transient")), behind)
    const proposal = makeProposal({
      ...(yield* moment),
      channelId,
      chaincode: parameters.name,
      args: parameters.args,
      signer: session.signer,
      ...(transient === undefined ? {} : { transient })
    })
    // one after the other: the first that fails is the one that is told
    const answers = yield* Effect.forEach(clients.peers, ({ channel }) => sendProposal(channel, proposal)).pipe(
      Effect.mapError((error) => {
        const unread = "rpc error: code = Internal desc = grpc: failed to unmarshal the received message"
        const text = error._tag === "AnswerMalformed" ? `${unread} ${error.reason}` : error.message
        return behind(`error endorsing ${verb}: ${text}`)
      })
    )
    const first = answers[0].response
    return { proposal, answers, first }
  })

/** Orders the transaction; with `--waitForEvent` also waits until all peers have it. */
const order = (
  session: Session,
  clients: Clients,
  orderer: Channel,
  channelId: string,
  endorsed: { readonly proposal: Proposal; readonly answers: ReadonlyArray<Answer> }
): Effect.Effect<void, CommandFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { flags, signer } = session
    const { answers, proposal } = endorsed
    const shown = (error: CommandFailed) =>
      failed(`${error.text} - proposal response: ${proposalResponseText(answers[0]?.response)}`)
    const nothing = (error: CommandFailed) => failed(`${error.text} - proposal response: <nil>`)
    const assembled = assemble(proposal, answers, signer, "could not assemble transaction: ")
    const envelope = yield* Effect.mapError(assembled, shown)
    const waits = flags.is("waitForEvent")
    // one limit for connecting and waiting
    const limit = Duration.nanos(flags.number("waitForEventTimeout"))
    const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(limit)
    const watching = watch(session, clients, channelId).pipe(
      Effect.timeoutFail({
        duration: limit,
        onTimeout: () => failed("timed out waiting for connection to deliver on all peers")
      }),
      Effect.mapError(nothing)
    )
    const watched = waits ? yield* watching : []
    yield* send(orderer, envelope).pipe(failing("error sending transaction for invoke: "), Effect.mapError(shown))
    if (!waits) return
    session.step("waiting for the commit")
    const codes = yield* Effect.forEach(watched, (one) => committed(proposal.txId, one), {
      concurrency: "unbounded"
    }).pipe(
      failing("failed to receive txid on all peers: "),
      Effect.timeoutFail({
        duration: Duration.millis(Math.max(0, until - (yield* Clock.currentTimeMillis))),
        onTimeout: () => failed("timed out waiting for txid on all peers")
      }),
      Effect.mapError(nothing)
    )
    if (!flags.is("explain") || codes.every((code) => code === protos.TxValidationCode.VALID)) return
    const lines = yield* explainInvalid(session, clients.peers[0].address, channelId, proposal.txId)
    session.io.stderr(lines.map((line) => `${line}\n`).join(""))
  })

/** The chaincode's response in an endorsed answer. */
const actionOf = ({ payload }: protos.ProposalResponse): Effect.Effect<protos.Response | undefined, CommandFailed> =>
  Effect.gen(function* () {
    const reading = <A>(what: string, read: () => A) =>
      Effect.try({ try: read, catch: (error) => failed(`error while unmarshaling ${what}: ${textOf(error)}`) })
    const { extension } = yield* reading("proposal response payload", () =>
      protos.ProposalResponsePayload.decode(payload)
    )
    return (yield* reading("chaincode action", () => protos.ChaincodeAction.decode(extension))).response
  })

/** With `--explain`: tells beforehand that the transaction will not be valid for its endorsements. */
const warnOfPolicy = (
  session: Session,
  { peers: [peer] }: Clients,
  channelId: string,
  answers: ReadonlyArray<Answer>
): Effect.Effect<void> => {
  const { flags, io } = session
  if (!flags.is("explain")) return Effect.void
  const responses = answers.map(({ response }) => response)
  return explainEndorsements(session, peer, channelId, flags.text("name"), responses).pipe(
    Effect.catchAll(({ text }) => Effect.succeed([`the endorsements cannot be judged: ${text}`])),
    Effect.map((lines = []) => io.stderr(lines.map((line) => `${line}\n`).join("")))
  )
}

export const invoke: Command = (session) =>
  Effect.gen(function* () {
    const channelId = yield* channelOf(session)
    const clients = yield* connectPeers(session, "invoke", channelId)
    const orderer = yield* connectOrderer(session, clients, channelId)
    const access = explaining(session, explainAccess(session, clients.peers[0], channelId))
    const endorsed = yield* access(proposeToAll(session, clients, channelId, "invoke"))
    const { first } = endorsed
    if ((first.response?.status ?? 0) < ERROR_THRESHOLD) {
      yield* warnOfPolicy(session, clients, channelId, endorsed.answers)
      yield* access(order(session, clients, orderer, channelId, endorsed))
    }
    const result = yield* actionOf(first)
    if (first.endorsement === undefined)
      return yield* failed(`endorsement failure during invoke. response: ${responseText(first.response)}`)
    const done = `Chaincode invoke successful. result: ${responseText(result)}`
    yield* log.at("chaincodeInvokeOrQuery").info(done)
  })

export const query: Command = (session) =>
  Effect.gen(function* () {
    const { flags, io } = session
    const channelId = yield* channelOf(session)
    const clients = yield* connectPeers(session, "query", channelId)
    const { first } = yield* proposeToAll(session, clients, channelId, "query").pipe(
      explaining(session, explainAccess(session, clients.peers[0], channelId))
    )
    // an endorsement of nothing is no answer either: the reference panics
    if (first.endorsement === undefined || first.response === undefined)
      return yield* failed(`endorsement failure during query. response: ${responseText(first.response)}`)
    const payload = first.response.payload
    if (flags.is("raw") && flags.is("hex")) return yield* failed("options --raw (-r) and --hex (-x) are not compatible")
    if (flags.is("raw")) io.stdout(`${byteList(payload)}\n`)
    else if (flags.is("hex")) io.stdout(`${Buffer.from(payload).toString("hex")}\n`)
    else io.stdout(Buffer.concat([payload, Buffer.from("\n")]))
  })

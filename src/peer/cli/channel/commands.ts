/** `peer channel …`. Source: operations-cli.md 4.2, 4.3; peer/channel/*.go. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Position, system } from "../../../client/index.js"
import { lastConfigIndex } from "../../../wire/block.js"
import { common, protos } from "../../../wire/index.js"
import { readBytes, writeBytes } from "../CliIo.js"
import { type CommandFailed, failed, failing, misused } from "../errors.js"
import { explaining, explainUpdate, signersOf } from "../explain.js"
import { broadcaster, send } from "../orderer.js"
import type { Command, Session } from "../Session.js"
import { type FetchedBlock, readBlock } from "./blocks.js"
import { checkAndSign, creationFromDefaults, invalidCreateTx, readConfigTx } from "./configTx.js"
import { type BlockNode, callPeer, endorser, hasOrderer, log, ordererDeliver, peerDeliver } from "./factory.js"

const BLOCK_MODE = 0o644
const TX_MODE = 0o660
const POLL = Duration.millis(200)

/** Asks for block 0 until it is there, on a fresh connection after every failure. */
const firstBlock = (session: Session, node: BlockNode, channelId: string): Effect.Effect<Uint8Array, CommandFailed> => {
  const attempt = (on: BlockNode) => Effect.option(readBlock(session, on, channelId, 0n, false))
  const again = Effect.scoped(
    Effect.flatMap(ordererDeliver(session).pipe(failing("failed connecting: ")), (fresh) =>
      Effect.zipRight(Effect.sleep(POLL), attempt(fresh))
    )
  )
  const poll = (
    tried: Effect.Effect<Option.Option<FetchedBlock>, CommandFailed>
  ): Effect.Effect<Uint8Array, CommandFailed> =>
    Effect.flatMap(tried, (block) => (Option.isSome(block) ? Effect.succeed(block.value.bytes) : poll(again)))
  return Effect.timeoutFail(poll(attempt(node)), {
    duration: Duration.nanos(session.flags.number("timeout")),
    onTimeout: () => failed("timeout waiting for channel creation")
  })
}

export const create: Command = (session) =>
  Effect.gen(function* () {
    const { flags, io } = session
    const channelId = flags.text("channelID")
    const file = flags.text("file")
    if (channelId === "") return yield* misused("must supply channel ID")
    const node = yield* ordererDeliver(session)
    const envelope = file === "" ? creationFromDefaults(session, channelId) : readConfigTx(session, file)
    const signed = yield* checkAndSign(session, yield* envelope, channelId)
    yield* send(yield* broadcaster(session, flags.text("orderer")), signed.envelope).pipe(
      explaining(
        session,
        Effect.sync(() => signersOf(session, signed.envelope))
      )
    )
    session.step("waiting for the channel's first block")
    const block = yield* firstBlock(session, node, channelId)
    const output = flags.text("outputBlock")
    yield* writeBytes(io, output === "" ? `${channelId}.block` : output, block, BLOCK_MODE)
  })

const proposalFailed = (cause: string): string => `proposal failed (err: ${cause})`

export const join: Command = (session) =>
  Effect.gen(function* () {
    const path = session.flags.text("blockpath")
    if (path === "") return yield* misused("Must supply genesis block path")
    const peer = yield* endorser(session)
    const block = yield* readBytes(session.io, path).pipe(failing("genesis block file not found "))
    const { response } = yield* callPeer(session, peer, system.joinChannel(block), proposalFailed)
    const { message = "", status = 0 } = response ?? {}
    if (status !== 0 && status !== 200)
      return yield* failed(proposalFailed(`bad proposal response ${status}: ${message}`))
    yield* log.at("executeJoin").info("Successfully submitted proposal to join channel")
  })

/** The payload of an answer with status 200, decoded. */
const accepted = <A>(
  { response }: protos.ProposalResponse,
  refusal: string,
  unreadable: string,
  decode: (bytes: Uint8Array) => A
): Effect.Effect<A, CommandFailed> => {
  const { message = "", payload = new Uint8Array(), status = 0 } = response ?? {}
  if (status !== 200) return failed(`${refusal}, status ${status}: ${message}`)
  return Effect.try({ try: () => decode(payload), catch: (error) => failed(`${unreadable}${String(error)}`) })
}

export const list: Command = (session) =>
  Effect.gen(function* () {
    if (session.args.length > 0) return yield* misused(`trailing args detected: [${session.args.join(" ")}]`)
    const peer = yield* endorser(session)
    const sending = (cause: string) => `Failed sending proposal, got ${cause}`
    const answer = yield* callPeer(session, peer, system.getChannels, sending)
    const { channels } = yield* accepted(
      answer,
      "Received bad response",
      "Cannot read channels list response, ",
      protos.ChannelQueryResponse.decode
    )
    session.io.stdout(["Channels peers has joined: ", ...channels.map(({ channelId }) => channelId), ""].join("\n"))
  })

/** Go's `strconv.Atoi`, then to an unsigned number. */
const blockNumber = (word: string): bigint | undefined => {
  if (!/^[+-]?\d+$/.test(word)) return undefined
  const value = BigInt(word.replace(/^\+/, ""))
  return BigInt.asIntN(64, value) === value ? BigInt.asUintN(64, value) : undefined
}

export const fetch: Command = (session) =>
  Effect.gen(function* () {
    const { args, flags, io } = session
    const [what, output] = args
    if (what === undefined) return yield* misused("fetch target required, oldest, newest, config, or a number")
    if (args.length > 2) return yield* misused("trailing args detected")
    const node = yield* hasOrderer(session) ? ordererDeliver(session) : peerDeliver(session)
    const channelId = flags.text("channelID")
    const read = (position: Position) => readBlock(session, node, channelId, position, flags.is("bestEffort"))
    const target = Effect.gen(function* () {
      if (what === "oldest" || what === "newest") return yield* read(what)
      if (what === "config") {
        const newest = yield* read("newest")
        const index = yield* Effect.try({
          try: () => lastConfigIndex(newest.block),
          catch: (error) => failed(String(error))
        })
        const block = yield* read(index)
        yield* log.at("fetch").info(`Retrieving last config block: ${index}`)
        return block
      }
      const number = blockNumber(what)
      if (number === undefined) return yield* failed(`fetch target illegal: ${what}`)
      return yield* read(number)
    })
    const { bytes } = yield* target
    yield* writeBytes(io, output ?? `${channelId}_${what}.block`, bytes, BLOCK_MODE)
  })

/** Go's JSON of the message: empty fields left out, bytes in base64, the height exact. */
export const chainInfoJson = (info: common.BlockchainInfo): string => {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")
  const fields = [
    ...(info.height === 0n ? [] : [`"height":${info.height}`]),
    ...(info.currentBlockHash.length === 0 ? [] : [`"currentBlockHash":"${base64(info.currentBlockHash)}"`]),
    ...(info.previousBlockHash.length === 0 ? [] : [`"previousBlockHash":"${base64(info.previousBlockHash)}"`])
  ]
  return `{${fields.join(",")}}`
}

export const getinfo: Command = (session) =>
  Effect.gen(function* () {
    const channelId = session.flags.text("channelID")
    if (channelId === "") return yield* misused("Must supply channel ID")
    const peer = yield* endorser(session)
    const sending = (cause: string) => `failed sending proposal: ${cause}`
    const answer = yield* callPeer(session, peer, system.getChainInfo(channelId), sending)
    const info = yield* accepted(
      answer,
      "received bad response",
      "cannot read qscc response: ",
      common.BlockchainInfo.decode
    )
    session.io.stdout(`Blockchain info: ${chainInfoJson(info)}\n`)
  })

export const signconfigtx: Command = (session) =>
  Effect.gen(function* () {
    const file = session.flags.text("file")
    if (file === "") return yield* misused(invalidCreateTx("No configtx file name supplied"))
    yield* log.at("InitCmdFactory").info("Endorser and orderer connections initialized")
    const { envelope } = yield* checkAndSign(session, yield* readConfigTx(session, file), "")
    yield* writeBytes(session.io, file, envelope, TX_MODE)
    if (session.flags.is("explain")) for (const line of signersOf(session, envelope)) session.io.stderr(`${line}\n`)
  })

export const update: Command = (session) =>
  Effect.gen(function* () {
    const { flags } = session
    const channelId = flags.text("channelID")
    const file = flags.text("file")
    if (channelId === "") return yield* misused("Must supply channel ID")
    if (file === "") return yield* misused(invalidCreateTx("No configtx file name supplied"))
    yield* Effect.scoped(ordererDeliver(session))
    const { envelope } = yield* checkAndSign(session, yield* readConfigTx(session, file), channelId)
    const orderer = yield* broadcaster(session, flags.text("orderer"), "Error getting broadcast client: ")
    yield* send(orderer, envelope).pipe(
      explaining(session, explainUpdate(session, ordererDeliver(session), channelId, envelope))
    )
    yield* log.at("update").info("Successfully submitted channel update")
  })

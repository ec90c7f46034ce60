/** `peer logging …` and `peer node status`: calls of the Admin service. Source: operations-cli.md 4.2; peer/clilogging. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { moment, signedEnvelope } from "../../client/index.js"
import * as Log from "../../runtime/Log.js"
import { parseLevel } from "../../runtime/LogSpec.js"
import type { Channel } from "../../transport/index.js"
import { common, protos } from "../../wire/index.js"
import { Admin } from "../../wire/services.js"
import { configuredPeer, connectTo } from "./connections.js"
import { type CommandFailed, failed, failing, misused } from "./errors.js"
import type { Command, Session } from "./Session.js"

const log = Log.module("cli.logging")
const nodeLog = Log.module("nodeCmd", "status")

const admin = (session: Session): Effect.Effect<Channel, CommandFailed, Scope.Scope> =>
  Effect.flatMap(configuredPeer(session), (target) => connectTo(target, "admin"))

type Method = keyof typeof Admin.methods

/** One call; the request is an operation signed by the caller. */
const call = <A>(
  session: Session,
  peer: Channel,
  method: Method,
  operation: Parameters<typeof protos.AdminOperation.encode>[0],
  decode: (bytes: Uint8Array) => A
): Effect.Effect<A, CommandFailed> =>
  Effect.gen(function* () {
    const request = signedEnvelope({
      ...(yield* moment),
      type: common.HeaderType.PEER_ADMIN_OPERATION,
      channelId: "",
      signer: session.signer,
      data: protos.AdminOperation.encode(operation)
    })
    const answer = yield* peer.unary(Admin.methods[method], request)
    return yield* Effect.try({ try: () => decode(answer), catch: (error) => failed(String(error)) })
  }).pipe(failing())

const none = (args: ReadonlyArray<string>): Effect.Effect<void, CommandFailed> =>
  args.length === 0
    ? Effect.void
    : misused(`more parameters than necessary were provided. Expected 0, received ${args.length}`)

const first = ([word]: ReadonlyArray<string>): Effect.Effect<string, CommandFailed> =>
  word === undefined ? misused("no parameters provided") : Effect.succeed(word)

export const getLogSpec: Command = (session) =>
  Effect.gen(function* () {
    yield* none(session.args)
    const answer = yield* call(session, yield* admin(session), "GetLogSpec", {}, protos.LogSpecResponse.decode)
    yield* log.at("getLogSpec").info(`Current logging spec: ${answer.logSpec}`)
  })

export const setLogSpec: Command = (session) =>
  Effect.gen(function* () {
    const logSpec = yield* first(session.args)
    const operation = { logSpecReq: { logSpec } }
    const answer = yield* call(session, yield* admin(session), "SetLogSpec", operation, protos.LogSpecResponse.decode)
    if (answer.error !== "") return yield* failed(answer.error)
    yield* log.at("setLogSpec").info(`Current logging spec set to: ${answer.logSpec}`)
  })

export const getLevel: Command = (session) =>
  Effect.gen(function* () {
    const logModule = yield* first(session.args)
    const operation = { logReq: { logModule } }
    const peer = yield* admin(session)
    const answer = yield* call(session, peer, "GetModuleLogLevel", operation, protos.LogLevelResponse.decode)
    yield* log.at("getLevel").info(`Current log level for logger '${answer.logModule}': ${answer.logLevel}`)
  })

export const setLevel: Command = (session) =>
  Effect.gen(function* () {
    const logModule = yield* first(session.args)
    const logLevel = session.args[1]
    if (logLevel === undefined) return yield* misused("no log level provided")
    if (parseLevel(logLevel) === undefined) return yield* misused(`invalid log level provided - ${logLevel}`)
    const operation = { logReq: { logModule, logLevel } }
    const peer = yield* admin(session)
    const answer = yield* call(session, peer, "SetModuleLogLevel", operation, protos.LogLevelResponse.decode)
    yield* log.at("setLevel").info(`Log level set for logger name/prefix '${answer.logModule}': ${answer.logLevel}`)
  })

export const revertLevels: Command = (session) =>
  Effect.gen(function* () {
    yield* none(session.args)
    yield* call(session, yield* admin(session), "RevertLogLevels", {}, () => undefined)
    yield* log.at("revertLevels").info("Logging spec reverted to the peer's spec at startup.")
  })

const statusText = (status: number): string =>
  status === 0 ? "" : `status:${protos.ServerStatus_StatusCodeInfo.nameOf(status) ?? status} `

/** `peer node status`: the status on stdout, UNKNOWN where it cannot be had. */
export const nodeStatus: Command = (session) =>
  Effect.gen(function* () {
    const { args, io } = session
    if (args.length > 0) return yield* misused(`trailing args detected: [${args.join(" ")}]`)
    const unknown = Effect.sync(() => io.stdout("status:UNKNOWN \n"))
    const peer = yield* Effect.tapError(admin(session), ({ text }) => Effect.zipRight(nodeLog.warning(text), unknown))
    const answer = yield* call(session, peer, "GetStatus", {}, protos.ServerStatus.decode).pipe(
      Effect.tapError(({ text }) =>
        Effect.zipRight(nodeLog.info(`Error trying to get status from local peer: ${text}`), unknown)
      ),
      failing("Error trying to connect to local peer: ")
    )
    io.stdout(`${statusText(answer.status)}\n`)
  })

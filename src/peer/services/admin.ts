/**
 * The Admin service: the node's status and its log levels, for admins of the peer's own organization.
 * Source: peer-endorse-validate.md 2.7, traps 25 and 26; core/admin/*.go.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Msp } from "../../msp/index.js"
import { fromEnvelope, type Policy, type PolicyMalformed, signedByMspAdmin } from "../../policy/index.js"
import * as Log from "../../runtime/Log.js"
import { canonicalName } from "../../runtime/LogSpec.js"
import { type CallInfo, Code, GrpcFailure, type Handlers } from "../../transport/index.js"
import { common, protos } from "../../wire/index.js"
import { EMPTY, headerTypeName, millisecondsOf } from "../../wire/protoutil.js"
import type { Admin } from "../../wire/services.js"
import { AccessRefused } from "../errors.js"
import { unreadableRequest } from "./requests.js"

/** A request that is not what it must be; gRPC Unknown with this text. */
const bad = (reason: string): AccessRefused => new AccessRefused({ reason })

const log = Log.module("server")

/** Fixed in the reference; the Deliver service's window is another setting. */
const TIME_WINDOW = 15 * 60 * 1000

/** Whose operations are served: one signature of an admin of the local MSP. */
export const adminPolicy = (localMsp: Msp): Either.Either<Policy, PolicyMalformed> =>
  fromEnvelope(signedByMspAdmin(localMsp.mspId), localMsp)

interface Request {
  readonly operation: protos.AdminOperation
  readonly timestamp: number
  readonly signer: Parameters<Policy["evaluate"]>[0][number]
}

const decode = <A>(what: string, read: () => A): Either.Either<A, AccessRefused> =>
  Either.try({
    try: read,
    catch: (error) =>
      bad(`bad request: error unmarshaling ${what}: ${error instanceof Error ? error.message : String(error)}`)
  })

/** The structure of a request, in the order of the reference's checks. */
const open = (envelope: common.Envelope): Either.Either<Request, AccessRefused> =>
  Either.gen(function* () {
    const { data, header } = yield* decode("Payload", () => common.Payload.decode(envelope.payload))
    if (header === undefined) return yield* Either.left(bad("bad request: envelope must have a Header"))
    const channelHeader = yield* decode("ChannelHeader", () => common.ChannelHeader.decode(header.channelHeader))
    if (channelHeader.type !== common.HeaderType.PEER_ADMIN_OPERATION)
      return yield* Either.left(
        bad(`bad request: invalid type ${headerTypeName(channelHeader.type)}, expected PEER_ADMIN_OPERATION`)
      )
    const operation = yield* decode("message for type PEER_ADMIN_OPERATION", () => protos.AdminOperation.decode(data))
    if (channelHeader.timestamp === undefined) return yield* Either.left(bad("empty timestamp"))
    const creator = Either.try(() => common.SignatureHeader.decode(header.signatureHeader).creator)
    if (Either.isLeft(creator)) return yield* Either.left(bad("bad request, cannot extract signed data"))
    const signer = { data: envelope.payload, identity: creator.right, signature: envelope.signature }
    return { operation, timestamp: millisecondsOf(channelHeader.timestamp), signer }
  })

const accessDenied = bad("access denied")

/** Reads and authorizes a request. Absent envelope fields read as an empty envelope, as on the wire. */
const authorize = (
  policy: Policy,
  bytes: Uint8Array,
  call: CallInfo
): Effect.Effect<protos.AdminOperation, AccessRefused | GrpcFailure> =>
  Effect.gen(function* () {
    const envelope = yield* Effect.try({ try: () => common.Envelope.decode(bytes), catch: unreadableRequest })
    const opened = open(envelope)
    if (Either.isLeft(opened)) {
      yield* log.warning(`Request from ${call.peer} is badly formed: ${opened.left.message}`)
      return yield* opened.left
    }
    const { operation, signer, timestamp } = opened.right
    if (Math.abs((yield* Clock.currentTimeMillis) - timestamp) > TIME_WINDOW) {
      yield* log.warning(`Request from ${call.peer} unauthorized due to incorrect time`)
      return yield* accessDenied
    }
    const verdict = policy.evaluate([signer])
    if (Either.isLeft(verdict)) {
      yield* log.warning(`Request from ${call.peer} unauthorized due to authentication: ${verdict.left.message}`)
      return yield* accessDenied
    }
    return operation
  })

const started = protos.ServerStatus.encode({ status: protos.ServerStatus_StatusCode.STARTED })

/** A request without the operation that its method works on. */
const missing = bad("request is nil")

/** The handlers; `log` is the node's, and its spec of now is what RevertLogLevels goes back to. */
export const adminHandlers = (policy: Policy, node: Log.NodeLog): Handlers<typeof Admin, never> => {
  const specAtStart = node.specText
  const guarded =
    (answer: (operation: protos.AdminOperation) => Uint8Array | AccessRefused | GrpcFailure) =>
    (request: Uint8Array, call: CallInfo): Effect.Effect<Uint8Array, AccessRefused | GrpcFailure> =>
      Effect.flatMap(authorize(policy, request, call), (operation) => {
        const answered = answer(operation)
        return answered instanceof Uint8Array ? Effect.succeed(answered) : Effect.fail(answered)
      })
  return {
    GetStatus: guarded(() => started),
    StartServer: guarded(() => started),
    GetModuleLogLevel: guarded(({ logReq }) =>
      logReq === undefined
        ? missing
        : protos.LogLevelResponse.encode({
            logModule: logReq.logModule,
            logLevel: canonicalName(node.levelOf(logReq.logModule)).toUpperCase()
          })
    ),
    SetModuleLogLevel: guarded(({ logReq }) => {
      if (logReq === undefined) return missing
      const { logLevel, logModule } = logReq
      const spec = `${node.specText}:${logModule}=${logLevel}`
      const activated = node.activate(spec)
      return Either.isLeft(activated)
        ? new GrpcFailure({
            code: Code.InvalidArgument,
            details: `error setting log spec to '${spec}': ${activated.left.message}`
          })
        : protos.LogLevelResponse.encode({ logModule, logLevel: logLevel.toUpperCase() })
    }),
    RevertLogLevels: guarded(() => {
      node.activate(specAtStart)
      return EMPTY
    }),
    GetLogSpec: guarded(() => protos.LogSpecResponse.encode({ logSpec: node.specText })),
    SetLogSpec: guarded(({ logSpecReq }) => {
      if (logSpecReq === undefined) return missing
      const { logSpec } = logSpecReq
      const activated = node.activate(logSpec)
      return protos.LogSpecResponse.encode({
        logSpec,
        ...(Either.isLeft(activated) ? { error: activated.left.message } : {})
      })
    })
  }
}

/**
 * cscc: joining channels, and what their configuration is.
 * Source: chaincode.md R90; core/scc/cscc/configure.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { type Bundle, proposeConfigUpdate } from "../../../channelconfig/index.js"
import { textOf } from "../../../runtime/Stage.js"
import { common, protos } from "../../../wire/index.js"
import { looseText } from "../../../wire/looseText.js"
import { EMPTY, utf8 } from "../../../wire/protoutil.js"
import type { AclChecker } from "../../acl/AclChecker.js"
import { localAdmins, localMembers } from "../../acl/PolicyChecker.js"
import { checkAcl, checkLocal } from "../access.js"
import { fail, type SystemCallFailed, type SystemChaincodeCode, type SystemStub } from "../stub.js"
import { type JoinBlock, readJoinBlock } from "./configBlock.js"

export interface CsccSupport {
  readonly acl: AclChecker
  readonly bundleOf: (channelId: string) => Bundle | undefined
  /** The last config block, as stored; undefined when the peer has not joined the channel. */
  readonly configBlock: (channelId: string) => Effect.Effect<Uint8Array | undefined, { readonly message: string }>
  readonly channels: () => ReadonlyArray<string>
  /** Creates the channel's ledger and starts everything that belongs to it. */
  readonly join: (block: JoinBlock) => Effect.Effect<void, { readonly message: string }>
}

type Call = Effect.Effect<Uint8Array, SystemCallFailed>

const wrongCount = (stub: SystemStub): SystemCallFailed => fail(`Incorrect number of arguments, ${stub.args.length}`)
const unknownChannel = (channel: string): SystemCallFailed => fail(`Unknown chain ID, ${channel}`)

/** The order of the checks is the reference's: the block first, the caller's rights after it. */
const joinChain = (support: CsccSupport, stub: SystemStub, bytes: Uint8Array): Call =>
  Effect.gen(function* () {
    const block = yield* Either.mapLeft(readJoinBlock(bytes), fail)
    yield* checkLocal(
      support.acl,
      localAdmins,
      stub,
      (reason) => `access denied for [JoinChain][${block.channelId}]: [${reason}]`
    )
    yield* Effect.mapError(support.join(block), (error) => fail(error.message))
    return EMPTY
  })

const simulateUpdate = (support: CsccSupport, channel: string, bytes: Uint8Array | undefined): Call =>
  Effect.gen(function* () {
    if (bytes === undefined) return yield* fail("Config delta bytes must not be nil")
    const decode = <A>(what: string, read: () => A) =>
      Effect.try({ try: read, catch: (error) => fail(`${what}${textOf(error)}`) })
    const envelope = yield* decode("", () => common.Envelope.decode(bytes))
    const { header } = yield* decode("failed unmarshaling payload: ", () => common.Payload.decode(envelope.payload))
    const { type } = yield* decode("failed unmarshaling payload header: ", () =>
      common.ChannelHeader.decode(header?.channelHeader ?? EMPTY)
    )
    if (type !== common.HeaderType.CONFIG_UPDATE) return yield* fail(`invalid payload header type: ${type}`)
    const bundle = support.bundleOf(channel)
    if (bundle === undefined) return yield* unknownChannel(channel)
    yield* Either.mapLeft(proposeConfigUpdate(bundle, envelope), (error) => fail(error.message))
    return utf8("Simulation is successful")
  })

/** Functions that take a channel first, each behind a resource of the channel. */
type ChannelFunction = (support: CsccSupport, channel: string, stub: SystemStub) => Call
const configBlock: ChannelFunction = (support, channel) =>
  support.configBlock(channel).pipe(
    Effect.mapError((error) => fail(error.message)),
    Effect.flatMap((block) => (block === undefined ? unknownChannel(channel) : Effect.succeed(block)))
  )
const configTree: ChannelFunction = (support, channel) => {
  const bundle = support.bundleOf(channel)
  return bundle === undefined
    ? unknownChannel(channel)
    : Effect.sync(() => protos.ConfigTree.encode({ channelConfig: bundle.config }))
}
const channelFunctions: ReadonlyMap<string, ChannelFunction> = new Map([
  ["GetConfigBlock", configBlock],
  ["GetConfigTree", configTree],
  ["SimulateConfigTreeUpdate", (support, channel, stub) => simulateUpdate(support, channel, stub.args[2])]
])

export const makeCscc = (support: CsccSupport): SystemChaincodeCode => ({
  name: "cscc",
  invokableExternal: true,
  invokableCC2CC: false,
  invoke: (stub) =>
    Effect.gen(function* () {
      const [first, second] = stub.args
      if (first === undefined) return yield* wrongCount(stub)
      const name = looseText(first)
      if (name === "GetChannels") {
        yield* checkLocal(support.acl, localMembers, stub, (reason) => `access denied for [${name}]: ${reason}`)
        return protos.ChannelQueryResponse.encode({
          channels: support.channels().map((channelId) => protos.ChannelInfo.create({ channelId }))
        })
      }
      if (second === undefined) return yield* wrongCount(stub)
      if (name === "JoinChain") return yield* joinChain(support, stub, second)
      const channel = looseText(second)
      const run = channelFunctions.get(name)
      if (run === undefined) return yield* fail(`Requested function ${name} not found.`)
      yield* checkAcl(
        support.acl,
        `cscc/${name}`,
        channel,
        stub,
        (reason) => `access denied for [${name}][${channel}]: ${reason}`
      )
      return yield* run(support, channel, stub)
    })
})

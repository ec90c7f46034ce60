/**
 * Installs and deployments brought together: whoever listens on a channel hears of a chaincode once it is both installed
 * here and instantiated there, whichever came last. An install shuts everyone else out until its file is written, so that
 * a deployment in the same moment is seen by one of the two.
 *
 * The reference tells its listeners before a block's state is committed; here it happens right after, before the block is
 * announced: state shows the new definition to whoever is told of it.
 * Source: chaincode.md R83, R98; core/ledger/cceventmgmt/mgr.go.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { PackageStore } from "../../chaincode/packages/PackageStore.js"
import { type StatedbArtifact, statedbArtifacts } from "../../chaincode/packages/platforms.js"
import * as Log from "../../runtime/Log.js"
import { equalBytes } from "../../wire/bytes.js"
import { type DefinitionState, type DeployedChaincode, deployedChaincode } from "./definitions.js"
import { DefinitionsUnreadable } from "./errors.js"

/** State that is read once and then let go. */
export interface StateQuery extends DefinitionState {
  readonly done: () => void
}

/** One of a channel's listeners. */
export interface ChaincodeLifecycleListener {
  /** Installed and deployed; `artifacts` are the package's files for the state database. A failure is logged. */
  readonly handleChaincodeDeploy: (
    chaincode: DeployedChaincode,
    artifacts: ReadonlyArray<StatedbArtifact>
  ) => Effect.Effect<void, { readonly message: string }>
  /** Ends what was announced: whether install or deployment succeeded. */
  readonly chaincodeDeployDone: (succeeded: boolean) => Effect.Effect<void>
}

/** A channel that reports its deployments. */
export interface ListenedChannel {
  readonly id: string
  /** The state committed last. */
  readonly query: Effect.Effect<StateQuery, { readonly message: string }>
}

/** Code about to be installed. */
export interface NewCode {
  readonly name: string
  readonly version: string
  /** Its fingerprint. */
  readonly id: Uint8Array
}

export interface ChaincodeEventsShape {
  /**
   * Has a listener told of a channel's deployments until the scope closes. It is made with everyone else shut out: what
   * it reads of the channel at its making and what it is told afterwards leave no gap.
   */
  readonly register: <E, R>(
    channel: ListenedChannel,
    listener: Effect.Effect<ChaincodeLifecycleListener, E, R>
  ) => Effect.Effect<void, E, R | Scope.Scope>
  /** A block of the channel wrote the definitions of these chaincodes; its state is committed. */
  readonly deployed: (channelId: string, chaincodes: ReadonlyArray<string>) => Effect.Effect<void>
  /** Runs an install: channels where the code is deployed already hear of it before and after `write`. */
  readonly installing: <A, E>(
    code: NewCode,
    artifacts: ReadonlyArray<StatedbArtifact>,
    write: Effect.Effect<A, E>
  ) => Effect.Effect<A, E | DefinitionsUnreadable>
}

export class ChaincodeEvents extends Context.Tag("peer/lifecycle/ChaincodeEvents")<
  ChaincodeEvents,
  ChaincodeEventsShape
>() {}

const log = Log.module("cceventmgmt")
/** More than channels can ever commit at a time. */
const EVERYONE = 1_000_000

interface Registration {
  readonly channel: ListenedChannel
  readonly listener: ChaincodeLifecycleListener
}

/** What is deployed under a name at this moment. */
const deployedOn = (
  channel: ListenedChannel,
  name: string
): Effect.Effect<DeployedChaincode | undefined, DefinitionsUnreadable> =>
  Effect.acquireUseRelease(
    channel.query,
    (state) => Effect.try(() => deployedChaincode(state, name)),
    (state) => Effect.sync(() => state.done())
  ).pipe(Effect.mapError((cause) => new DefinitionsUnreadable({ channel: channel.id, cause: unwrapped(cause) })))

const unwrapped = (error: unknown): unknown =>
  typeof error === "object" &&
  error !== null &&
  "_tag" in error &&
  error._tag === "UnknownException" &&
  "cause" in error
    ? error.cause
    : error

const make = Effect.gen(function* () {
  const packages = yield* PackageStore
  const turn = yield* Effect.makeSemaphore(EVERYONE)
  const registrations = new Map<string, Array<Registration>>()

  const tell = (channelId: string, chaincode: DeployedChaincode, artifacts: ReadonlyArray<StatedbArtifact>) =>
    Effect.forEach(
      registrations.get(channelId) ?? [],
      ({ listener }) =>
        Effect.catchAll(listener.handleChaincodeDeploy(chaincode, artifacts), (error) =>
          log.warning(
            `Channel [${channelId}]: Error while invoking a listener for handling chaincode install event: ${error.message}`
          )
        ),
      { discard: true }
    )
  const done = (channelId: string, succeeded: boolean) =>
    Effect.forEach(registrations.get(channelId) ?? [], ({ listener }) => listener.chaincodeDeployDone(succeeded), {
      discard: true
    })

  /** The installed package's files for the state database; undefined when it is not installed, or cannot be read. */
  const installedArtifacts = ({ name, version }: DeployedChaincode) =>
    Effect.gen(function* () {
      if (!(yield* packages.has(name, version))) return undefined
      const { codePackage, type } = yield* packages.get(name, version)
      return yield* statedbArtifacts(type, codePackage)
    })

  const deployed = (channelId: string, chaincodes: ReadonlyArray<string>): Effect.Effect<void> => {
    if (chaincodes.length === 0) return Effect.void
    return turn.withPermits(1)(
      Effect.gen(function* () {
        const [first] = registrations.get(channelId) ?? []
        if (first === undefined) return
        let told = false
        for (const name of chaincodes) {
          yield* Effect.gen(function* () {
            const found = yield* deployedOn(first.channel, name)
            if (found === undefined) return
            const artifacts = yield* installedArtifacts(found)
            if (artifacts === undefined)
              return yield* log.info(
                `Channel [${channelId}]: Chaincode [${name}:${found.version}] is not installed hence no need to create chaincode artifacts for endorsement`
              )
            told = true
            yield* tell(channelId, found, artifacts)
          }).pipe(
            Effect.catchAll((error) =>
              log.error(
                `Channel [${channelId}]: the deployment of chaincode [${name}] was not handled: ${error.message}`
              )
            )
          )
        }
        if (told) yield* done(channelId, true)
      })
    )
  }

  const installing: ChaincodeEventsShape["installing"] = ({ id, name, version }, artifacts, write) =>
    turn.withPermits(EVERYONE)(
      Effect.gen(function* () {
        const pending: Array<string> = []
        return yield* Effect.gen(function* () {
          for (const [channelId, [first]] of registrations) {
            if (first === undefined) continue
            const found = yield* deployedOn(first.channel, name)
            if (found === undefined || found.version !== version || !equalBytes(found.hash, id)) continue
            pending.push(channelId)
            yield* tell(channelId, found, artifacts)
          }
          return yield* write
        }).pipe(
          Effect.onExit(({ _tag }) =>
            Effect.forEach(pending, (channelId) => done(channelId, _tag === "Success"), { discard: true })
          )
        )
      })
    )

  return ChaincodeEvents.of({
    register: (channel, listener) =>
      Effect.acquireRelease(
        turn.withPermits(EVERYONE)(
          Effect.map(listener, (made) => {
            const registration = { channel, listener: made }
            registrations.set(channel.id, [...(registrations.get(channel.id) ?? []), registration])
            return registration
          })
        ),
        (registration) =>
          Effect.sync(() => {
            const rest = (registrations.get(channel.id) ?? []).filter((one) => one !== registration)
            if (rest.length === 0) registrations.delete(channel.id)
            else registrations.set(channel.id, rest)
          })
      ),
    deployed,
    installing
  })
})

export const layerChaincodeEvents: Layer.Layer<ChaincodeEvents, never, PackageStore> = Layer.effect(
  ChaincodeEvents,
  make
)

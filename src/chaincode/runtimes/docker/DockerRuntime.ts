/**
 * Chaincode in containers (`vm.type: docker`), named, built and run as the reference does it: containers and images of
 * the two are each other's. Containers outlive the peer, as in the reference (R14); the next start of the same chaincode
 * ends them first. Source: chaincode.md R13-R18, R100, R101; core/container/dockercontroller/dockercontroller.go.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Log from "../../../runtime/Log.js"
import { type Histogram, Metrics } from "../../../runtime/Metrics.js"
import { platformOf } from "../../packages/platforms.js"
import { tarGzOf } from "../../packages/tarWriter.js"
import { canonicalName } from "../../text.js"
import {
  type ChaincodeRef,
  ContainerRuntime,
  type LaunchRequest,
  NotRunning,
  StartFailed
} from "../ContainerRuntime.js"
import { Lines } from "../lines.js"
import { baseName, containerName, imageName, isImageName, type NameParts } from "../names.js"
import { type BuildSettings, buildImage } from "./buildImage.js"
import { type DaemonSettings, type DockerClient, dockerClient } from "./DockerClient.js"
import { type BuildFailed, ClientInvalid, type DockerFailed } from "./errors.js"
import { launchCommand } from "./images.js"
import { demultiplexer } from "./output.js"

export interface DockerRuntimeOptions extends NameParts, BuildSettings {
  readonly daemon: DaemonSettings
  /** `vm.docker.attachStdout`. */
  readonly attachStdout: boolean
}

const log = Log.module("dockercontroller")

const CERTIFICATES = "/etc/hyperledger/fabric"
const KEY = `${CERTIFICATES}/client.key`
const CERTIFICATE = `${CERTIFICATES}/client.crt`
const ROOT_CERTIFICATE = `${CERTIFICATES}/peer.crt`
/** Owner of the files that the peer puts into containers. */
const ROOT = 0

/** R16: what the image carries is not said again. */
const environmentOf = ({ credentials, environment }: LaunchRequest): ReadonlyArray<string> => [
  ...environment.filter(([key]) => key !== "CORE_CHAINCODE_BUILDLEVEL").map(([key, value]) => `${key}=${value}`),
  ...(credentials === undefined
    ? ["CORE_PEER_TLS_ENABLED=false"]
    : [
        "CORE_PEER_TLS_ENABLED=true",
        `CORE_TLS_CLIENT_KEY_PATH=${KEY}`,
        `CORE_TLS_CLIENT_CERT_PATH=${CERTIFICATE}`,
        `CORE_PEER_TLS_ROOTCERT_FILE=${ROOT_CERTIFICATE}`
      ])
]

type Failure = StartFailed | DockerFailed | ClientInvalid | BuildFailed

class DockerRuntime {
  /** Builds under way by image. */
  private readonly builds = new Map<string, Deferred.Deferred<void, Failure>>()
  /** Requests for one container come one after the other (R13). */
  private readonly turns = new Map<string, Effect.Semaphore>()

  constructor(
    private readonly options: DockerRuntimeOptions,
    private readonly buildDuration: Histogram<"chaincode" | "success">,
    private readonly scope: Scope.Scope,
    private readonly nodeLog: Log.NodeLog
  ) {}

  private readonly client = Effect.suspend(() => dockerClient(this.options.daemon))

  private containerOf({ name, version }: ChaincodeRef): string {
    return containerName(this.options, name, version)
  }

  private inTurn<A, E>(container: string, work: Effect.Effect<A, E>): Effect.Effect<A, E> {
    const turn = this.turns.get(container) ?? Effect.unsafeMakeSemaphore(1)
    this.turns.set(container, turn)
    return Effect.provideService(turn.withPermits(1)(work), Log.CurrentLog, this.nodeLog)
  }

  readonly start = (request: LaunchRequest): Effect.Effect<void, StartFailed> =>
    Effect.suspend(() => this.inTurn(this.containerOf(request), this.startNow(request))).pipe(
      Effect.mapError((error) => (error._tag === "StartFailed" ? error : this.refused(request, error.message))),
      Effect.withSpan("DockerRuntime.start", { captureStackTrace: false })
    )

  private refused({ name, version }: ChaincodeRef, reason: string): StartFailed {
    return new StartFailed({ chaincode: canonicalName(name, version), reason })
  }

  private startNow(request: LaunchRequest): Effect.Effect<void, Failure> {
    return Effect.gen(this, function* () {
      const { attachStdout, hostConfig } = this.options
      const { name, version } = request
      const platform = platformOf(request.type)
      if (platform === undefined) return yield* this.refused(request, `unknown chaincodeType: ${request.type}`)
      const image = imageName(this.options, name, version)
      if (!isImageName(image)) {
        const refusal = (what: string) =>
          `Error constructing Docker VM Name. '${what}' breaks Docker's repository naming rules`
        yield* log.error(refusal(baseName(this.options, name, version)))
        return yield* this.refused(request, refusal(image))
      }
      const container = this.containerOf(request)
      const docker = yield* this.client
      yield* this.clear(docker, container)
      const create = docker.createContainer(container, {
        Cmd: launchCommand(platform, request.peerAddress),
        Image: image,
        Env: environmentOf(request),
        ...(attachStdout ? { AttachStdout: true, AttachStderr: true } : {}),
        HostConfig: hostConfig
      })
      yield* create.pipe(
        Effect.catchIf(
          ({ status }) => status === 404,
          () => Effect.zipRight(this.built(docker, platform, image, request), create)
        ),
        Effect.tapError((error) => log.error(`create container failed: ${error.message}`, { containerName: container }))
      )
      if (attachStdout) yield* this.streamOutput(docker, container)
      const { credentials } = request
      if (credentials !== undefined) {
        const files = tarGzOf(
          [
            { name: KEY, content: Buffer.from(credentials.clientKey) },
            { name: CERTIFICATE, content: Buffer.from(credentials.clientCertificate) },
            { name: ROOT_CERTIFICATE, content: credentials.rootCertificate }
          ],
          ROOT
        )
        yield* Effect.mapError(docker.upload(container, "/", files), (error) =>
          this.refused(request, `Error uploading files to the container instance ${container}: ${error.message}`)
        )
      }
      yield* Effect.tapError(docker.start(container), (error) =>
        log.error(`start-could not start container: ${error.message}`)
      )
      yield* log.debug(`Started container ${container}`)
    })
  }

  /** One build at a time per image; it goes on when the launch that asked for it gives up. */
  private built(
    docker: DockerClient,
    platform: Parameters<typeof buildImage>[1],
    image: string,
    request: LaunchRequest
  ): Effect.Effect<void, Failure> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen(this, function* () {
        const under = this.builds.get(image)
        if (under !== undefined) return yield* restore(Deferred.await(under))
        const done = yield* Deferred.make<void, Failure>()
        this.builds.set(image, done)
        yield* this.build(docker, platform, image, request).pipe(
          Effect.interruptible,
          Effect.intoDeferred(done),
          Effect.ensuring(Effect.sync(() => this.builds.delete(image))),
          Effect.forkIn(this.scope)
        )
        return yield* restore(Deferred.await(done))
      })
    )
  }

  private build(
    docker: DockerClient,
    platform: Parameters<typeof buildImage>[1],
    image: string,
    request: LaunchRequest
  ): Effect.Effect<void, BuildFailed> {
    const chaincode = canonicalName(request.name, request.version)
    return Effect.gen(this, function* () {
      const since = yield* Clock.currentTimeMillis
      const observe = (success: boolean) =>
        Effect.map(Clock.currentTimeMillis, (now) =>
          this.buildDuration.with({ chaincode, success: String(success) }).observe((now - since) / 1000)
        )
      yield* log.info(`Building the image of chaincode ${chaincode}`)
      yield* buildImage(docker, platform, image, request, this.options).pipe(
        Effect.tapBoth({
          onSuccess: () => observe(true),
          onFailure: ({ output, reason }) =>
            Effect.all([
              observe(false),
              log.error(`Error building image: ${reason}`),
              log.error(`Build Output:\n********************\n${output}\n********************`)
            ])
        })
      )
      yield* log.debug(`Created image: ${image}`)
    })
  }

  /** The container's lines go to the log for as long as it lives. */
  private streamOutput(docker: DockerClient, container: string): Effect.Effect<void, never> {
    return Effect.gen(this, function* () {
      const lines = yield* Log.module(`peer.chaincode.${container}`).sync
      const follow = Effect.gen(function* () {
        const stream = yield* docker.attach(container)
        yield* Effect.async<void>((resume) => {
          const shown = new Lines(lines.info)
          stream.on("error", () => {})
          stream.on(
            "data",
            demultiplexer((bytes) => shown.add(bytes.toString("utf8")))
          )
          stream.once("close", () => {
            shown.end()
            resume(Effect.void)
          })
          return Effect.sync(() => void stream.destroy())
        })
        yield* log.info(`Container ${container} has closed its IO channel`)
      })
      yield* follow.pipe(
        Effect.catchAll((error) => log.error(`Error reading container output: ${error.message}`)),
        Effect.provideService(Log.CurrentLog, this.nodeLog),
        Effect.forkIn(this.scope)
      )
    })
  }

  /** Stop, kill, remove: whatever of it is there goes (R14, R14a). */
  private clear(docker: DockerClient, container: string): Effect.Effect<void> {
    const attempt = (what: string, request: Effect.Effect<void, DockerFailed>) =>
      Effect.catchAll(request, (error) => log.debug(`${what} container result: ${error.message}`, { id: container }))
    return attempt("stop", docker.stop(container)).pipe(
      Effect.zipRight(attempt("kill", docker.kill(container))),
      Effect.zipRight(attempt("remove", docker.remove(container, true)))
    )
  }

  readonly stop = (chaincode: ChaincodeRef): Effect.Effect<void> =>
    Effect.suspend(() => {
      const container = this.containerOf(chaincode)
      return this.inTurn(
        container,
        this.client.pipe(
          Effect.flatMap((docker) => this.clear(docker, container)),
          Effect.catchAll((error) => log.debug(`stop - cannot create client ${error.message}`))
        )
      )
    })

  readonly wait = (chaincode: ChaincodeRef): Effect.Effect<number, NotRunning> =>
    Effect.suspend(() => {
      const container = this.containerOf(chaincode)
      return this.client.pipe(
        Effect.flatMap((docker) => docker.wait(container)),
        Effect.mapError(
          (error) =>
            new NotRunning({ chaincode: canonicalName(chaincode.name, chaincode.version), reason: error.message })
        )
      )
    })

  /** R100. */
  readonly healthy: Effect.Effect<void, StartFailed> = Effect.suspend(() =>
    this.client.pipe(
      Effect.flatMap((docker) => docker.ping),
      Effect.mapError(
        (error) =>
          new StartFailed({
            chaincode: "",
            reason:
              error instanceof ClientInvalid
                ? `failed to connect to Docker daemon: ${error.message}`
                : `failed to ping to Docker daemon: ${error.message}`
          })
      )
    )
  )
}

/** `vm.type: docker`. The daemon need not answer yet: /healthz shows whether it does. */
export const layer = (options: DockerRuntimeOptions): Layer.Layer<ContainerRuntime, never, Metrics> =>
  Layer.scoped(
    ContainerRuntime,
    Effect.gen(function* () {
      const metrics = yield* Metrics
      const buildDuration = metrics.histogram({
        namespace: "dockercontroller",
        name: "chaincode_container_build_duration",
        help: "The time to build a chaincode image in seconds.",
        labelNames: ["chaincode", "success"]
      })
      const runtime = new DockerRuntime(options, buildDuration, yield* Effect.scope, yield* Log.CurrentLog)
      return ContainerRuntime.of({
        kind: "docker",
        start: runtime.start,
        stop: runtime.stop,
        stopAll: Effect.void,
        wait: runtime.wait,
        healthy: runtime.healthy
      })
    })
  )

/**
 * A chaincode's image: its code built in a container of its own, what came out put on the runtime image of its platform.
 * Source: chaincode.md R74; core/chaincode/platforms/util/utils.go (DockerBuild), platforms.go (GenerateDockerBuild).
 */
import * as Effect from "effect/Effect"
import type { PlatformName } from "../../packages/platforms.js"
import { compressedTarOf, tarOf } from "../../packages/tarWriter.js"
import type { LaunchRequest } from "../ContainerRuntime.js"
import type { DockerClient } from "./DockerClient.js"
import { BuildFailed, type DockerFailed } from "./errors.js"
import type { JsonObject } from "./hostConfig.js"
import { type BuildStep, buildStepOf, dockerfileOf, type ImageSettings, type ImageVersions } from "./images.js"
import { demultiplexer, Tail } from "./output.js"

export interface BuildSettings {
  readonly images: ImageSettings
  readonly versions: ImageVersions
  readonly hostConfig: JsonObject
  readonly networkMode: string
  /** `chaincode.pull`. */
  readonly pull: boolean
}

/** How much of a build's output is kept for its error. */
const KEPT_OUTPUT = 64 * 1024
/** Owner of the files that the peer puts into containers. */
const ROOT = 0

const within =
  (words: string) =>
  (error: DockerFailed): BuildFailed =>
    new BuildFailed({ reason: `${words}${error.message}`, output: "" })

/** Runs a command over an input archive in a fresh container and gives what it left in /chaincode/output. */
const runBuild = (
  docker: DockerClient,
  { command, image }: BuildStep,
  input: Uint8Array,
  hostConfig: JsonObject
): Effect.Effect<Uint8Array, BuildFailed> =>
  Effect.gen(function* () {
    if (!(yield* Effect.orElseSucceed(docker.hasImage(image), () => false)))
      yield* Effect.mapError(
        docker.pull(image, () => {}),
        within(`Failed to pull ${image}: `)
      )
    const create = docker.createContainer(undefined, {
      Image: image,
      Cmd: ["/bin/sh", "-c", command],
      AttachStdout: true,
      AttachStderr: true,
      HostConfig: hostConfig
    })
    return yield* Effect.acquireUseRelease(
      Effect.mapError(create, within("Error creating container: ")),
      (container) => buildIn(docker, container, input),
      (container) => Effect.ignore(docker.remove(container, true))
    )
  })

const buildIn = (docker: DockerClient, container: string, input: Uint8Array): Effect.Effect<Uint8Array, BuildFailed> =>
  Effect.gen(function* () {
    yield* Effect.mapError(
      docker.upload(container, "/chaincode/input", input),
      within("Error uploading input to container: ")
    )
    const stream = yield* Effect.mapError(docker.attach(container), within("Error attaching to container: "))
    const output = new Tail(KEPT_OUTPUT)
    const ended = Effect.async<void>((resume) => {
      stream.on("error", () => {})
      stream.once("close", () => resume(Effect.void))
      stream.on("data", demultiplexer(output.add))
      return Effect.sync(() => void stream.destroy())
    })
    const code = yield* Effect.scoped(
      Effect.gen(function* () {
        const read = yield* Effect.forkScoped(ended)
        yield* Effect.mapError(
          docker.start(container),
          (error) =>
            new BuildFailed({
              reason: `Error executing build: ${error.message} "${output.content}"`,
              output: output.content
            })
        )
        const status = yield* Effect.mapError(
          docker.wait(container),
          within("Error waiting for container to complete: ")
        )
        yield* Effect.timeoutOption(read.await, "5 seconds")
        return status
      })
    )
    if (code > 0)
      return yield* new BuildFailed({
        reason: `Error returned from build: ${code} "${output.content}"`,
        output: output.content
      })
    return yield* Effect.mapError(
      docker.download(container, "/chaincode/output/."),
      within("Error downloading output: ")
    )
  })

/** Builds the image of a chaincode and gives it its name. */
export const buildImage = (
  docker: DockerClient,
  platform: PlatformName,
  image: string,
  { codePackage, name, path, version }: LaunchRequest,
  settings: BuildSettings
): Effect.Effect<void, BuildFailed> =>
  Effect.gen(function* () {
    const { hostConfig, images, networkMode, pull, versions } = settings
    const generating = "Failed to generate platform-specific docker build: "
    const step = buildStepOf(platform, path, images, versions)
    if (typeof step === "string") return yield* new BuildFailed({ reason: `${generating}${step}`, output: "" })
    const input = platform === "CAR" ? tarOf([{ name: "codepackage.car", content: codePackage }], ROOT) : codePackage
    const binaries = yield* Effect.mapError(
      runBuild(docker, step, input, hostConfig),
      ({ output, reason }) =>
        new BuildFailed({ reason: `${generating}${platform === "CAR" ? "Error building CAR: " : ""}${reason}`, output })
    )
    const files = [
      { name: "Dockerfile", content: Buffer.from(dockerfileOf(platform, name, version, images, versions)) },
      { name: "binpackage.tar", content: binaries }
    ]
    const context = yield* Effect.promise(() => compressedTarOf(files, ROOT))
    const output = new Tail(KEPT_OUTPUT)
    yield* Effect.mapError(
      docker.build(image, context, { pull, networkMode }, output.add),
      (error) => new BuildFailed({ reason: error.message, output: output.content })
    )
  })

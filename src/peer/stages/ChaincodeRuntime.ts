/**
 * Where chaincode runs: by `vm.type`; without one in containers where a Docker endpoint is given, as in the reference, and
 * as processes otherwise. Source: chaincode.md R13-R19, section 2.
 */
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ContainerRuntime } from "../../chaincode/runtimes/ContainerRuntime.js"
import type { DockerRuntimeOptions } from "../../chaincode/runtimes/docker/DockerRuntime.js"
import * as DockerRuntime from "../../chaincode/runtimes/docker/DockerRuntime.js"
import { hostConfigOf, networkModeOf } from "../../chaincode/runtimes/docker/hostConfig.js"
import { goArch } from "../../chaincode/runtimes/docker/images.js"
import * as ProcessRuntime from "../../chaincode/runtimes/process/ProcessRuntime.js"
import * as UserRuntime from "../../chaincode/runtimes/UserRuntime.js"
import type { CoreConfig } from "../../config/index.js"
import { Operations } from "../../operations/index.js"
import { stage } from "../../runtime/Stage.js"
import { PeerConfig } from "../PeerConfig.js"
import { baseImageVersion, compatibleVersion } from "../version.js"

/** The environment that this process was started with; chaincode gets what it needs of it. */
export class ProcessEnvironment extends Context.Reference<ProcessEnvironment>()("peer/stages/ProcessEnvironment", {
  defaultValue: (): Readonly<Record<string, string>> => ({})
}) {}

/** The reference's settings of containers. In: the sections of core.yaml. */
export const dockerOptions = (
  peer: Pick<CoreConfig["peer"], "id" | "networkId">,
  vm: Pick<CoreConfig["vm"], "docker" | "endpoint">,
  { builder, car, golang, java, node, pull }: CoreConfig["chaincode"]
): DockerRuntimeOptions => {
  const { attachStdout, hostConfig, tls } = vm.docker
  return {
    networkId: peer.networkId,
    peerId: peer.id,
    daemon: {
      endpoint: vm.endpoint === "" ? DEFAULT_ENDPOINT : vm.endpoint,
      tls: tls.enabled ? { ca: tls.ca.file, cert: tls.cert.file, key: tls.key.file } : undefined
    },
    attachStdout,
    hostConfig: hostConfigOf(hostConfig),
    networkMode: networkModeOf(hostConfig),
    pull,
    images: {
      builder,
      runtime: { CAR: car.runtime, GOLANG: golang.runtime, JAVA: java.runtime, NODE: node.runtime },
      dynamicLink: golang.dynamicLink
    },
    versions: { arch: goArch(process.arch), peer: compatibleVersion, base: baseImageVersion }
  }
}

/** Where Docker listens when `vm.type: docker` says no more. */
const DEFAULT_ENDPOINT = "unix:///var/run/docker.sock"

const runtime = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { chaincode, peer, vm } = yield* PeerConfig
    const environment = yield* ProcessEnvironment
    switch (vm.type ?? (vm.endpoint === "" ? "process" : "docker")) {
      case "user":
        return UserRuntime.layer
      case "docker":
        return DockerRuntime.layer(dockerOptions(peer, vm, chaincode))
      case "process": {
        const { gid, inspect, memory, openFiles, prebuilt, processes, uid } = vm.process
        return ProcessRuntime.layer({
          networkId: peer.networkId,
          peerId: peer.id,
          folder: join(peer.fileSystemPath, "processes"),
          environment,
          prebuilt,
          watch: chaincode.watch,
          ...(inspect === undefined ? {} : { inspect }),
          secrets: {
            folders: ["ledgersData", "transientStore"].map((folder) => join(peer.fileSystemPath, folder)),
            keys: [
              join(peer.mspConfigPath, "keystore"),
              ...[peer.tls.key.file, peer.tls.clientKey.file].filter((file) => file !== "")
            ]
          },
          limits: {
            ...(memory === undefined ? {} : { memory }),
            ...(openFiles === undefined ? {} : { openFiles }),
            ...(processes === undefined ? {} : { processes })
          },
          ...(uid === undefined ? {} : { uid }),
          ...(gid === undefined ? {} : { gid })
        })
      }
    }
  })
)

/** Shows in /healthz under the runtime's name. */
const health = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { registerChecker } = yield* Operations
    const { healthy, kind } = yield* ContainerRuntime
    yield* registerChecker(kind === "docker" ? "docker" : `chaincode-${kind}`, healthy)
  })
)

export const layer = health.pipe(
  Layer.provideMerge(runtime),
  stage("chaincode runtime", {
    remedy:
      "check vm.type and vm.process; peer.fileSystemPath must be writable, keys must be readable for the peer alone (chmod 600)"
  })
)

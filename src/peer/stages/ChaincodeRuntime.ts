/** Where chaincode runs, by `vm.type`. Source: chaincode.md R13-R19. */
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ContainerRuntime } from "../../chaincode/runtimes/ContainerRuntime.js"
import * as ProcessRuntime from "../../chaincode/runtimes/process/ProcessRuntime.js"
import * as UserRuntime from "../../chaincode/runtimes/UserRuntime.js"
import { Operations } from "../../operations/index.js"
import { stage } from "../../runtime/Stage.js"
import { PeerConfig } from "../PeerConfig.js"
import { StartRefused } from "./failures.js"

/** The environment that this process was started with; chaincode gets what it needs of it. */
export class ProcessEnvironment extends Context.Reference<ProcessEnvironment>()("peer/stages/ProcessEnvironment", {
  defaultValue: (): Readonly<Record<string, string>> => ({})
}) {}

const runtime = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { chaincode, peer, vm } = yield* PeerConfig
    const environment = yield* ProcessEnvironment
    switch (vm.type) {
      case "user":
        return UserRuntime.layer
      case "docker":
        return yield* new StartRefused({ reason: "vm.type docker: this version cannot run chaincode in containers" })
      case "process": {
        const { gid, inspect, openFiles, prebuilt, uid } = vm.process
        return ProcessRuntime.layer({
          networkId: peer.networkId,
          peerId: peer.id,
          folder: join(peer.fileSystemPath, "processes"),
          environment,
          prebuilt,
          watch: chaincode.watch,
          ...(inspect === undefined ? {} : { inspect }),
          ...(openFiles === undefined ? {} : { limits: { openFiles } }),
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
    remedy: "check vm.type and vm.process; peer.fileSystemPath must be writable"
  })
)

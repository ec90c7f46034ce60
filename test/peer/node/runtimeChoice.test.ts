/** Which runtime chaincode gets, by `vm.type` and `vm.endpoint`, as /healthz shows it. */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { ContainerRuntime } from "../../../src/chaincode/runtimes/ContainerRuntime.js"
import { startPeer, tempFolder } from "./support.js"

const nowhere = "unix:///nowhere/docker.sock"

const chosen = (environment: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const peer = yield* startPeer({ folder: yield* tempFolder, environment })
    const { kind } = yield* Effect.provide(ContainerRuntime, peer.context)
    const health = yield* Effect.promise(async () => {
      const answer = await fetch(`http://${peer.operations}/healthz`)
      const body: unknown = await answer.json()
      return { status: answer.status, body }
    })
    return { kind, ...health }
  }).pipe(Effect.scoped)

it.scopedLive("is Docker where an endpoint is given and no type, as in Fabric's own core.yaml", () =>
  Effect.gen(function* () {
    const docker = yield* chosen({ CORE_VM_ENDPOINT: nowhere })
    expect(docker).toMatchObject({
      kind: "docker",
      status: 503,
      body: {
        status: "Service Unavailable",
        failed_checks: [
          {
            component: "docker",
            reason:
              'failed to ping to Docker daemon: Get "http://unix.sock/_ping": dial unix /nowhere/docker.sock: connect: no such file or directory'
          }
        ]
      }
    })
    expect(yield* chosen({ CORE_VM_ENDPOINT: nowhere, CORE_VM_TYPE: "process" })).toMatchObject({
      kind: "process",
      status: 200
    })
    expect(yield* chosen({})).toMatchObject({ kind: "process", status: 200 })
    expect(yield* chosen({ CORE_VM_TYPE: "user" })).toMatchObject({ kind: "user", status: 200 })
    expect((yield* chosen({ CORE_VM_TYPE: "docker" })).kind).toBe("docker")
  })
)

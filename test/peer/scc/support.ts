/** System chaincodes called as chaincode support calls them, on a state that is a map. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as PackageStoreModule from "../../../src/chaincode/packages/PackageStore.js"
import { PackageStore, type PackageStoreShape } from "../../../src/chaincode/packages/PackageStore.js"
import { tarGzOf } from "../../../src/chaincode/packages/tarWriter.js"
import { sha256 } from "../../../src/crypto/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { ChaincodeEvents, type ChaincodeEventsShape, layerChaincodeEvents } from "../../../src/peer/lifecycle/index.js"
import { fail, type SystemChaincodeCode, type SystemStub } from "../../../src/peer/scc/stub.js"
import { protos } from "../../../src/wire/index.js"
import { compareUtf8, utf8 } from "../../../src/wire/protoutil.js"
import { signedProposal } from "../support.js"

/** An install store of its own; remove it at the end. */
export const openStore = async (): Promise<{
  readonly store: PackageStoreShape
  readonly events: ChaincodeEventsShape
  readonly folder: string
  readonly close: () => Promise<void>
}> => {
  const root = mkdtempSync(join(tmpdir(), "scc-"))
  const folder = join(root, "chaincodes")
  const runtime = ManagedRuntime.make(
    layerChaincodeEvents.pipe(Layer.provideMerge(PackageStoreModule.layer(folder, sha256)))
  )
  const store = await runtime.runPromise(PackageStore)
  const events = await runtime.runPromise(ChaincodeEvents)
  return {
    store,
    events,
    folder,
    close: async () => {
      await runtime.dispose()
      rmSync(root, { recursive: true, force: true })
    }
  }
}

export interface PackageParts {
  readonly name: string
  readonly version: string
  readonly input?: ReadonlyArray<string>
  readonly files?: ReadonlyArray<{ readonly name: string; readonly content: Uint8Array }>
}

/** A deployment spec of a Node chaincode. */
export const deploymentSpec = ({ files, input, name, version }: PackageParts): Uint8Array =>
  protos.ChaincodeDeploymentSpec.encode({
    chaincodeSpec: {
      type: protos.ChaincodeSpec_Type.NODE,
      chaincodeId: { name, version, path: "/somewhere" },
      ...(input === undefined ? {} : { input: { args: input.map((arg) => utf8(arg)) } })
    },
    codePackage: tarGzOf(files ?? [{ name: "src/package.json", content: utf8("{}") }])
  })

export interface CallOptions {
  readonly channelId?: string
  readonly signer?: Signer
  /** Undefined: no simulator. */
  readonly state?: Map<string, Uint8Array> | undefined
}

/** The answer of a call: payload, or the text of the refusal. */
export const call = async (
  code: SystemChaincodeCode,
  args: ReadonlyArray<string | Uint8Array>,
  { channelId = "mychannel", signer, state }: CallOptions = {}
): Promise<{ readonly payload?: Uint8Array; readonly refused?: string; readonly events: ReadonlyArray<string> }> => {
  const txId = "1".repeat(64)
  const noContext = (type: string) => Effect.fail(fail(`${type} failed: transaction ID: ${txId}: no ledger context`))
  const events: Array<string> = []
  const stub: SystemStub = {
    channelId,
    txId,
    args: args.map((arg) => (typeof arg === "string" ? utf8(arg) : arg)),
    signedProposal:
      signer === undefined ? undefined : signedProposal({ channelId, chaincode: code.name, args, signer }),
    getState: (key) => (state === undefined ? noContext("GET_STATE") : Effect.succeed(state.get(key))),
    putState: (key, value) =>
      state === undefined ? noContext("PUT_STATE") : Effect.sync(() => void state.set(key, value)),
    allState: Effect.suspend(() =>
      state === undefined
        ? noContext("GET_STATE_BY_RANGE")
        : Effect.succeed([...state].sort(([a], [b]) => compareUtf8(a, b)).map(([key, value]) => ({ key, value })))
    ),
    setEvent: (name) => Effect.sync(() => void events.push(name))
  }
  return Effect.runPromise(
    Effect.match(code.invoke(stub), {
      onFailure: ({ reason }) => ({ refused: reason, events }),
      onSuccess: (payload) => ({ payload, events })
    })
  )
}

export const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()

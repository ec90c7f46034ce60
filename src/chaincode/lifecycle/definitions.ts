/**
 * Chaincode definitions as lscc keeps them: read through the transaction's simulator, held against the local package
 * where a launch depends on it. Source: chaincode.md R62, T2, 5.3; core/scc/lscc/lscc.go.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { textOf } from "../../runtime/Stage.js"
import { ccprovider } from "../../wire/index.js"
import { ChaincodeDefinitions, type StateReader } from "../context.js"
import { DefinitionUnavailable } from "../errors.js"
import { packageMismatch } from "../packages/ChaincodePackage.js"
import { PackageStore } from "../packages/PackageStore.js"

/** The namespace of the records. */
export const LSCC = "lscc"

const fail = (reason: string) => new DefinitionUnavailable({ reason })

/** The record's bytes, read through the simulator. */
const readRecord = (
  name: string,
  state: StateReader | undefined,
  what: string
): Effect.Effect<Uint8Array, DefinitionUnavailable> =>
  Effect.suspend(() => {
    if (state === undefined) return fail(`could not get ${what} for chaincode ${name} without a ledger context\n`)
    let bytes: Uint8Array | undefined
    try {
      bytes = state.getState(LSCC, name)
    } catch (error) {
      return fail(`could not retrieve state for chaincode ${name}: ${textOf(error)}`)
    }
    return bytes === undefined ? fail(`chaincode ${name} not found`) : Effect.succeed(bytes)
  })

/** Decodes a record; `fault` is the text when it does not decode. */
const decodeRecord = (
  bytes: Uint8Array,
  fault: (reason: string) => string
): Effect.Effect<ccprovider.ChaincodeData, DefinitionUnavailable> =>
  Effect.try({ try: () => ccprovider.ChaincodeData.decode(bytes), catch: (error) => fail(fault(textOf(error))) })

/** `ChaincodeDefinitions` over lscc's records and the install store. */
export const layer: Layer.Layer<ChaincodeDefinitions, never, PackageStore> = Layer.effect(
  ChaincodeDefinitions,
  Effect.map(PackageStore, (packages) =>
    ChaincodeDefinitions.of({
      definition: (name, state) =>
        Effect.flatMap(readRecord(name, state, "definition"), (bytes) =>
          decodeRecord(bytes, (reason) => `chaincode ${name} has bad definition: ${reason}`)
        ),
      containerInfo: (name, state) =>
        Effect.gen(function* () {
          const bytes = yield* readRecord(name, state, "container info")
          const code = (reason: string) => `could not get chaincode code: ${reason}`
          const record = yield* decodeRecord(bytes, () => code(`error while marshalling: ${name}`))
          if (record.name !== name) {
            return yield* fail(code(`chaincode name mismatch: ${name}!=${record.name}`))
          }
          const found = yield* packages
            .get(name, record.version)
            .pipe(Effect.mapError((error) => fail(code(`invalid deployment spec: ${error.message}`))))
          const mismatch = packageMismatch(found, record)
          if (mismatch !== undefined) return yield* fail(code(`chaincode fingerprint mismatch: ${mismatch}`))
          return { name: found.name, version: found.version, path: found.path, type: found.type }
        })
    })
  )
)

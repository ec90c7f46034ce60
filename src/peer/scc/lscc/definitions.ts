/**
 * A channel's record of a chaincode, read through the transaction's own simulator, because the read is part of the
 * result (T2). Source: chaincode.md R7, R56, R62; ChaincodeDefinition and ChaincodeContainerInfo in lscc.go.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { ChaincodeDefinitions, StateReader } from "../../../chaincode/context.js"
import type { PackageStoreShape } from "../../../chaincode/packages/PackageStore.js"
import { andThen } from "../../../runtime/eager.js"
import { textOf } from "../../../runtime/Stage.js"
import { ccprovider } from "../../../wire/index.js"
import { codeOf } from "./support.js"

/** There is no such chaincode on the channel, or its record or code cannot be used. */
export class DefinitionUnusable extends Data.TaggedError("DefinitionUnusable")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

const unusable = (reason: string): DefinitionUnusable => new DefinitionUnusable({ reason })

/** Reads when called: part of every proposal. */
const recordOf = (
  what: string,
  name: string,
  state: StateReader | undefined
): Effect.Effect<Uint8Array, DefinitionUnusable> => {
  if (state === undefined) return unusable(`could not get ${what} for chaincode ${name} without a ledger context\n`)
  let bytes: Uint8Array | undefined
  try {
    bytes = state.getState("lscc", name)
  } catch (error) {
    return unusable(`could not retrieve state for chaincode ${name}: ${textOf(error)}`)
  }
  return bytes === undefined ? unusable(`chaincode ${name} not found`) : Effect.succeed(bytes)
}

export const makeDefinitions = (packages: PackageStoreShape): ChaincodeDefinitions["Type"] => ({
  definition: (name, state) =>
    andThen(
      recordOf("definition", name, state),
      (bytes): Effect.Effect<ccprovider.ChaincodeData, DefinitionUnusable> => {
        try {
          return Effect.succeed(ccprovider.ChaincodeData.decode(bytes))
        } catch (error) {
          return unusable(`chaincode ${name} has bad definition: ${textOf(error)}`)
        }
      }
    ),
  containerInfo: (name, state) =>
    Effect.gen(function* () {
      const record = yield* recordOf("container info", name, state)
      const found = yield* Effect.mapError(codeOf(packages, name, record), (error) =>
        unusable(`could not get chaincode code: ${error.message}`)
      )
      return { name: found.name, version: found.version, path: found.path, type: found.type }
    })
})

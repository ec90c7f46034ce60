/** lscc install: a package into the peer's store. Source: chaincode.md R83; executeInstall in core/scc/lscc/lscc.go. */
import * as Effect from "effect/Effect"
import { recognisePackage } from "../../../chaincode/packages/ChaincodePackage.js"
import { artifactsFault, statedbArtifacts } from "../../../chaincode/packages/platforms.js"
import * as Log from "../../../runtime/Log.js"
import { fail, type SystemCallFailed } from "../stub.js"
import type { LsccSupport } from "./support.js"
import * as text from "./texts.js"

const log = Log.module("lscc", "executeInstall")

/** Recognises, checks and stores a package. The code itself is checked by its platform when it is deployed. */
export const install = (support: LsccSupport, bytes: Uint8Array): Effect.Effect<void, SystemCallFailed> =>
  Effect.gen(function* () {
    const found = yield* Effect.mapError(recognisePackage(bytes, support.hash), (error) => fail(error.message))
    const { codePackage, name, type, version } = found
    const fault = text.nameOrVersionFault(name, version)
    if (fault !== undefined) return yield* fail(fault)
    if (support.isSystem(name)) return yield* fail(text.isSystemName(name))
    const artifacts = yield* Effect.mapError(statedbArtifacts(type, codePackage), (error) => fail(error.message))
    const artifactFault = artifactsFault(artifacts)
    if (artifactFault !== undefined) return yield* fail(text.invalidArtifact(artifactFault))
    const write = Effect.mapError(support.packages.put(found), (error) =>
      fail(`error installing chaincode code ${name}:${version}(${error.message})`)
    )
    yield* Effect.mapError(support.installing({ name, version, id: found.id }, artifacts, write), (error) =>
      fail(error.message)
    )
    yield* log.info(`Installed Chaincode [${name}] Version [${version}] to peer`)
  })

/** A chaincode folder as a package and a deployment spec: what `install` and `instantiate` take. */
import { existsSync, readdirSync } from "node:fs"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import type { PackageRefused } from "../chaincode/errors.js"
import { javaPayload, nodePayload } from "../chaincode/packages/build.js"
import { golangPayload } from "../chaincode/packages/buildGo.js"
import { protos } from "../wire/index.js"
import { utf8 } from "../wire/protoutil.js"
import type { Environment } from "./environment.js"
import { NetworkRefused } from "./errors.js"
import type { NetworkSpec } from "./spec.js"

type Chaincode = NetworkSpec["chaincodes"][number]

export interface PackagedChaincode {
  /** `protos.ChaincodeDeploymentSpec` with code: for install. */
  readonly packageBytes: Uint8Array
  /** The same without code and with Init's arguments: for instantiate. */
  readonly specBytes: Uint8Array
}

type Language = "NODE" | "GOLANG" | "JAVA"

/** What a folder holds, by the files that its tools look for. */
const languageOf = (path: string): Language | undefined => {
  const has = (name: string) => existsSync(join(path, name))
  if (has("package.json")) return "NODE"
  if (has("go.mod") || readdirSync(path).some((name) => name.endsWith(".go"))) return "GOLANG"
  if (has("pom.xml") || has("build.gradle")) return "JAVA"
  return undefined
}

export const packageChaincode = (
  chaincode: Chaincode,
  environment: Environment
): Effect.Effect<PackagedChaincode, NetworkRefused | PackageRefused> =>
  Effect.gen(function* () {
    const { initArgs, name, path, version } = chaincode
    const language = existsSync(path) ? languageOf(path) : undefined
    if (language === undefined)
      return yield* new NetworkRefused({
        reason: `${path} holds no chaincode`,
        remedy: "name a folder with package.json, Go files, pom.xml or build.gradle"
      })
    const codePackage = yield* language === "NODE"
      ? nodePayload(path)
      : language === "JAVA"
        ? javaPayload(path)
        : golangPayload(path, environment)
    const spec = (args: ReadonlyArray<string>) => ({
      type: protos.ChaincodeSpec_Type[language],
      chaincodeId: { name, version, path: basename(path) },
      input: { args: args.map(utf8) }
    })
    return {
      packageBytes: protos.ChaincodeDeploymentSpec.encode({ chaincodeSpec: spec([]), codePackage }),
      specBytes: protos.ChaincodeDeploymentSpec.encode({ chaincodeSpec: spec(initArgs) })
    }
  })

/** A chaincode folder as a package, a deployment spec and collections: what `install` and `instantiate` take. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { PackageRefused } from "../chaincode/errors.js"
import { javaPayload, nodePayload } from "../chaincode/packages/build.js"
import { golangPayload } from "../chaincode/packages/buildGo.js"
import { protos } from "../wire/index.js"
import { utf8 } from "../wire/protoutil.js"
import type { Environment } from "./environment.js"
import { NetworkRefused } from "./errors.js"
import type { ChaincodeSpec, CollectionOptions } from "./spec.js"

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
  chaincode: ChaincodeSpec,
  environment: Environment
): Effect.Effect<PackagedChaincode, NetworkRefused | PackageRefused> =>
  Effect.gen(function* () {
    const { initArgs, name, path, version } = chaincode
    const language = yield* Effect.try({
      try: () => (existsSync(path) ? languageOf(path) : undefined),
      catch: (error) =>
        new NetworkRefused({ reason: `${path} cannot be read: ${error}`, remedy: "name the chaincode's folder" })
    })
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
      // as the reference's command line records it: a Node or Java folder as it was given, Go code by its import path
      chaincodeId: { name, version, path: language === "GOLANG" ? basename(path) : path },
      input: { args: args.map(utf8) }
    })
    return {
      packageBytes: protos.ChaincodeDeploymentSpec.encode({ chaincodeSpec: spec([]), codePackage }),
      specBytes: protos.ChaincodeDeploymentSpec.encode({ chaincodeSpec: spec(initArgs) })
    }
  })

const Collections = Schema.parseJson(
  Schema.Array(
    Schema.Struct({
      name: Schema.String,
      policy: Schema.String,
      requiredPeerCount: Schema.Int,
      maxPeerCount: Schema.Int,
      blockToLive: Schema.optionalWith(Schema.Int, { exact: true }),
      memberOnlyRead: Schema.optionalWith(Schema.Boolean, { exact: true })
    })
  )
)

/** The collections beside a chaincode's code, in the form of `--collections-config`; undefined when there are none. */
export const collectionsBeside = (
  path: string
): Effect.Effect<ReadonlyArray<CollectionOptions> | undefined, NetworkRefused> =>
  Effect.gen(function* () {
    const file = join(path, "collections.json")
    if (!existsSync(file)) return undefined
    return yield* Effect.try(() => readFileSync(file, "utf8")).pipe(
      Effect.flatMap(Schema.decodeUnknown(Collections)),
      Effect.mapError(
        ({ message }) =>
          new NetworkRefused({
            reason: `${file} defines no collections: ${message}`,
            remedy: "use the form of `peer chaincode instantiate --collections-config`"
          })
      )
    )
  })

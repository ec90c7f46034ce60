/**
 * The chaincode that a command is about: its parameters, deployment spec and code package.
 * Source: operations-cli.md 4.2; chaincode.md R70, R72, R73; peer/chaincode/common.go.
 */
import { existsSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { carPayload, javaPayload, nodePayload } from "../../../chaincode/packages/build.js"
import { golangPayload } from "../../../chaincode/packages/buildGo.js"
import { parsePolicy } from "../../../policy/index.js"
import { common, protos } from "../../../wire/index.js"
import { utf8 } from "../../../wire/protoutil.js"
import { type CliIo, readBytes } from "../CliIo.js"
import { type CommandFailed, failed, failing, misused } from "../errors.js"
import type { Session } from "../Session.js"
import { log } from "./clients.js"
import { callFault, readCall, readCollections } from "./input.js"

/** Commands by the parameters that they have. */
export type ChaincodeCommand = "install" | "package" | "instantiate" | "upgrade" | "invoke" | "query"

export interface Parameters {
  readonly name: string
  readonly version: string
  readonly path: string
  /** As given, in capitals: `NODE`. */
  readonly language: string
  readonly args: ReadonlyArray<string>
}

const text = ({ flags }: Session, name: string): string => flags.text(name)

/** Name, version, call: checked, then read. A wrong call is an error of the arguments. */
export const readParameters = (session: Session, command: ChaincodeCommand): Effect.Effect<Parameters, CommandFailed> =>
  Effect.gen(function* () {
    const packaging = command === "install" || command === "package"
    const deploying = command === "instantiate" || command === "upgrade"
    const name = text(session, "name")
    if (name === "") return yield* misused("must supply value for chaincode name parameter")
    if (packaging || deploying) {
      if (text(session, "version") === "") return yield* misused(`chaincode version is not provided for ${command}`)
      for (const plugin of ["escc", "vscc"]) {
        const chosen = deploying ? text(session, plugin) : ""
        const said = chosen === "" ? `Using default ${plugin}` : `Using ${plugin} ${chosen}`
        yield* log.at("checkChaincodeCmdParams").info(said)
      }
      if (deploying) yield* deployment(session)
    }
    const ctor = text(session, "ctor")
    const fault = callFault(ctor, packaging)
    if (fault !== undefined) return yield* misused(fault)
    const args = yield* Effect.mapError(readCall(ctor), failed)
    return {
      name,
      version: packaging || deploying ? text(session, "version") : "",
      path: packaging || command === "upgrade" ? text(session, "path") : "",
      language: packaging || deploying ? text(session, "lang").toUpperCase() : "GOLANG",
      args
    }
  })

export interface DeploymentParts {
  readonly endorsementPolicy: Uint8Array | undefined
  readonly collections: Uint8Array | undefined
  readonly escc: string
  readonly vscc: string
}

/** What instantiate and upgrade say beside the chaincode. */
export const deployment = (session: Session): Effect.Effect<DeploymentParts, CommandFailed> =>
  Effect.gen(function* () {
    const policy = text(session, "policy")
    const file = text(session, "collections-config")
    const parsed = policy === "" ? undefined : parsePolicy(policy)
    if (parsed !== undefined && Either.isLeft(parsed)) return yield* misused(`invalid policy ${policy}`)
    const collections = Effect.gen(function* () {
      const bytes = yield* readBytes(session.io, file).pipe(failing(`could not read file '${file}': `))
      return yield* Effect.mapError(readCollections(Buffer.from(bytes).toString()), failed)
    })
    const wrong = (error: CommandFailed) => misused(`invalid collection configuration in file ${file}: ${error.text}`)
    return {
      endorsementPolicy: parsed === undefined ? undefined : common.SignaturePolicyEnvelope.encode(parsed.right),
      collections: file === "" ? undefined : yield* Effect.mapError(collections, wrong),
      escc: text(session, "escc") || "escc",
      vscc: text(session, "vscc") || "vscc"
    }
  })

// ---- Code packages -----------------------------------------------------------------------------------------------

const hasScheme = (place: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(place)

/** A local path for the readers of sources. A relative one stays so: what is left out depends on the whole path (R73). */
const local = (io: CliIo, place: string): string =>
  path.isAbsolute(place) ? place : path.relative(process.cwd(), path.resolve(io.cwd, place)) || "."

const firstGopath = ({ env }: CliIo): string =>
  (env.GOPATH ?? "").split(path.delimiter)[0] || path.join(env.HOME ?? "/", "go")

const present = (env: CliIo["env"]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  )

const codePackage = (io: CliIo, language: string, place: string): Effect.Effect<Uint8Array, CommandFailed> => {
  const missing = (shown: string) => failed(`path to chaincode does not exist: ${shown}`)
  const packaging = failing("error getting chaincode package bytes: ")
  switch (language) {
    case "GOLANG": {
      const folder = path.join(firstGopath(io), "src", place)
      if (!hasScheme(place) && !existsSync(folder)) return missing(folder)
      return packaging(golangPayload(place, present(io.env)))
    }
    case "NODE":
      if (!hasScheme(place) && !existsSync(path.resolve(io.cwd, place))) return missing(place)
      return packaging(nodePayload(place === "" ? "" : local(io, place)))
    case "JAVA":
      return packaging(javaPayload(place === "" ? "" : local(io, place)))
    case "CAR":
      return packaging(carPayload(local(io, place)))
    default:
      return failed("Unknown chaincodeType: UNDEFINED")
  }
}

const types: ReadonlyMap<string, number> = new Map(Object.entries(protos.ChaincodeSpec_Type))

/** The serialised `ChaincodeDeploymentSpec`; `withCode` collects the sources, except in development mode. */
export const deploymentSpec = (
  { config, io }: Session,
  parameters: Parameters,
  withCode: boolean
): Effect.Effect<Uint8Array, CommandFailed> =>
  Effect.gen(function* () {
    const { args, language, name, version } = parameters
    const code = withCode && config.chaincode.mode !== "dev"
    const codePackageBytes = code ? yield* codePackage(io, language, parameters.path) : new Uint8Array()
    return protos.ChaincodeDeploymentSpec.encode({
      chaincodeSpec: {
        type: types.get(language) ?? 0,
        chaincodeId: { name, version, path: parameters.path },
        input: { args: args.map(utf8) }
      },
      codePackage: codePackageBytes
    })
  }).pipe(failing(`error getting chaincode code ${parameters.name}: `))

/** `install`, `package`, `signpackage`, `list`. Source: operations-cli.md 4.2, 4.3; peer/chaincode/*.go. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { recognisePackage } from "../../../chaincode/packages/ChaincodePackage.js"
import { addSignature, createSignedPackage } from "../../../chaincode/packages/signing.js"
import { system } from "../../../client/index.js"
import { hash } from "../../../crypto/index.js"
import { parsePolicy } from "../../../policy/index.js"
import { common, protos } from "../../../wire/index.js"
import { readBytes, writeBytes } from "../CliIo.js"
import { type CommandFailed, failed, failing, misused } from "../errors.js"
import { proposalResponseText } from "../goText.js"
import type { Command, Session } from "../Session.js"
import { connectPeers, log, propose } from "./clients.js"
import { deploymentSpec, readParameters } from "./spec.js"

const PACKAGE_MODE = 0o700
const SUCCESS = 200

const seconds = Effect.map(Clock.currentTimeMillis, (now) => BigInt(Math.floor(now / 1000)))

/** A package file, checked against `-n` and `-v` where they were given. */
const packageFile = (session: Session, file: string): Effect.Effect<Uint8Array, CommandFailed> =>
  Effect.gen(function* () {
    const { flags, io, msp } = session
    const bytes = yield* readBytes(io, file)
    const found = yield* recognisePackage(bytes, (...chunks) => hash(msp.defaults.hash, ...chunks)).pipe(failing())
    const name = flags.text("name")
    const version = flags.text("version")
    if (name !== "" && name !== found.name)
      return yield* failed(`chaincode name ${name} does not match name ${found.name} in package`)
    if (version !== "" && version !== found.version)
      return yield* failed(`chaincode version ${version} does not match version ${found.version} in packages`)
    return bytes
  })

export const install: Command = (session) =>
  Effect.gen(function* () {
    const { args, flags } = session
    const [file = ""] = args
    const { peers } = yield* connectPeers(session, "install", "")
    let bytes: Uint8Array
    if (file === "") {
      if (["path", "version", "name"].some((name) => flags.text(name) === ""))
        return yield* failed("Must supply value for chaincode name, path and version parameters.")
      bytes = yield* deploymentSpec(session, yield* readParameters(session, "install"), true)
    } else bytes = yield* packageFile(session, file)
    session.step("the peer installs the chaincode")
    const { answer } = yield* propose(session, peers[0], system.install(bytes), "").pipe(
      failing("Error endorsing chaincode: ")
    )
    const { message = "", status = 0 } = answer.response ?? {}
    if (status !== SUCCESS) return yield* failed(`Bad response: ${status} - ${message}`)
    yield* log.at("install").info(`Installed remotely ${proposalResponseText(answer)}`)
  })

const signedPackage = (session: Session, spec: Uint8Array): Effect.Effect<Uint8Array, CommandFailed> =>
  Effect.gen(function* () {
    const { flags, msp, signer } = session
    const policy = flags.text("instantiate-policy") || `AND('${msp.msp.mspId}.admin')`
    const parsed = yield* Effect.mapError(parsePolicy(policy), ({ message }) =>
      failed(`Invalid policy ${policy}, err ${message}`)
    )
    const owner = flags.is("sign") ? signer : undefined
    return createSignedPackage(spec, common.SignaturePolicyEnvelope.encode(parsed), owner, yield* seconds)
  })

export const makePackage: Command = (session) =>
  Effect.gen(function* () {
    const { args, flags, io } = session
    const [output, ...more] = args
    if (output === undefined || more.length > 0)
      return yield* misused("output file not specified or invalid number of args (filename should be the only arg)")
    const spec = yield* deploymentSpec(session, yield* readParameters(session, "package"), true)
    const bytes = flags.is("cc-package") ? yield* signedPackage(session, spec) : spec
    yield* writeBytes(io, output, bytes, PACKAGE_MODE).pipe(
      Effect.tapError(({ text }) =>
        log.at("chaincodePackage").error(`failed writing deployment spec to file [${output}]: [${text}]`)
      )
    )
  })

export const signPackage: Command = (session) =>
  Effect.gen(function* () {
    const { args, io, signer } = session
    const [input, output] = args
    if (input === undefined || output === undefined)
      return yield* misused("peer chaincode signpackage <inputpackage> <outputpackage>")
    const bytes = yield* readBytes(io, input)
    const signed = yield* addSignature(bytes, signer, yield* seconds).pipe(failing())
    yield* writeBytes(io, output, signed, PACKAGE_MODE)
    io.stdout(`Wrote signed package to ${output} successfully\n`)
  })

/** One chaincode of a list: what is empty is left out. */
export const chaincodeLine = (chaincode: protos.ChaincodeInfo): string =>
  [
    ["Name", chaincode.name],
    ["Version", chaincode.version],
    ["Path", chaincode.path],
    ["Input", chaincode.input],
    ["Escc", chaincode.escc],
    ["Vscc", chaincode.vscc],
    ["Id", Buffer.from(chaincode.id).toString("hex")]
  ]
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ")

export const list: Command = (session) =>
  Effect.gen(function* () {
    const { flags, io } = session
    const channelId = flags.text("channelID")
    const installed = flags.is("installed")
    const instantiated = flags.is("instantiated")
    if (instantiated && channelId === "")
      return yield* misused("The required parameter 'channelID' is empty. Rerun the command with -C flag")
    const { peers } = yield* connectPeers(session, "list", channelId)
    if (installed === instantiated) return yield* failed('Must explicitly specify "--installed" or "--instantiated"')
    const call = installed ? system.getInstalledChaincodes : system.getChaincodes
    const { answer } = yield* propose(session, peers[0], call, installed ? "" : channelId).pipe(
      failing("Error endorsing chaincode: ")
    )
    if (answer.response === undefined) return yield* failed("Proposal response had nil 'response'")
    const { message, payload, status } = answer.response
    if (status !== SUCCESS) return yield* failed(`Bad response: ${status} - ${message}`)
    const { chaincodes } = yield* Effect.try({
      try: () => protos.ChaincodeQueryResponse.decode(payload),
      catch: (error) => failed(String(error))
    })
    const title = installed
      ? "Get installed chaincodes on peer:"
      : `Get instantiated chaincodes on channel ${channelId}:`
    io.stdout([title, ...chaincodes.map(chaincodeLine), ""].join("\n"))
  })

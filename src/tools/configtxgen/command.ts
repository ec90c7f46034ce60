/**
 * configtxgen: genesis blocks, channel creation and anchor peer updates out of configtx.yaml; inspection of both
 * (operations-cli 6; common/tools/configtxgen/main.go). One function per flag, in the order in which they are carried out.
 */
import { randomBytes } from "node:crypto"
import { writeFileSync } from "node:fs"
import { resolve } from "node:path"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import {
  type ConfigtxSource,
  loadOrganizations,
  loadProfile,
  makeAnchorPeersUpdate,
  makeChannelCreationTransaction,
  makeGenesisBlock,
  missingFile,
  newConsortiumOrgGroup,
  type Profile
} from "../../channelconfig/index.js"
import * as Log from "../../runtime/Log.js"
import { common, type MessageInfo } from "../../wire/index.js"
import { consortiumOrg, deepMarshalJson, plain } from "../protolator/index.js"
import { fileFault, readTool, type ToolIo, versionText, withToolLog } from "../ToolIo.js"
import { parseFlags } from "./flags.js"

const log = Log.module("common.tools.configtxgen", "main")
const encoderLog = Log.module("common.tools.configtxgen.encoder", "NewChannelGroup")
const configLog = Log.module("common.tools.configtxgen.localconfig", "Load")

/** The tool's one way to fail: a line for the log, exit code 1. */
class Fatal extends Data.TaggedError("Fatal")<{ readonly text: string }> {
  override get message(): string {
    return this.text
  }
}

const text = (usage: string, value = "") => ({ kind: "string", usage, value }) as const
const flags = {
  outputBlock: text("Write a genesis block of the profile to this file"),
  channelID: text("The channel that the output is for"),
  outputCreateChannelTx: text("Write a channel creation transaction of the profile to this file"),
  channelCreateTxBaseProfile: text(
    "Profile of the system channel, to let a channel creation transaction change more than the application section"
  ),
  profile: text("The profile of configtx.yaml to use", "SampleInsecureSolo"),
  configPath: text("The folder that holds configtx.yaml (otherwise FABRIC_CFG_PATH, then the working folder)"),
  inspectBlock: text("Print the configuration in this block file"),
  inspectChannelCreateTx: text("Print the channel creation transaction in this file"),
  outputAnchorPeersUpdate: text(
    "Write an update of one organization's anchor peers to this file (for the first such update of a channel only)"
  ),
  asOrg: text("The organization, by name, that the anchor peer update is for"),
  printOrg: text("Print the definition of this organization, by name, as JSON"),
  version: { kind: "bool", usage: "Print the version", value: "false" }
} as const

type Options = { readonly [K in keyof typeof flags]: string }

/** Calls a synchronous function that reports lines as it goes, and logs them afterwards. */
const logging = <A, E>(
  logger: Log.ModuleLog,
  level: "info" | "warning",
  call: (line: (text: string) => void) => Either.Either<A, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const result = call((line) => lines.push(line))
    return Effect.zipRight(
      Effect.forEach(lines, (line) => logger[level](line), { discard: true }),
      Either.isLeft(result) ? Effect.fail(result.left) : Effect.succeed(result.right)
    )
  })

const write = (io: ToolIo, path: string, bytes: Uint8Array, what: string): Effect.Effect<void, Fatal> =>
  Effect.try({
    try: () => writeFileSync(resolve(io.cwd, path), bytes, { mode: 0o644 }),
    catch: (error) => new Fatal({ text: `Error writing ${what}: open ${path}: ${fileFault(error)}` })
  })

const outputBlock = (io: ToolIo, options: Options, profile: Profile): Effect.Effect<void, Fatal> =>
  Effect.gen(function* () {
    yield* log.at("doOutputBlock").info("Generating genesis block")
    if (profile.orderer === undefined) {
      return yield* new Fatal({ text: "refusing to generate block which is missing orderer section" })
    }
    if (profile.consortiums === undefined) {
      yield* log
        .at("doOutputBlock")
        .warning(
          "Genesis block does not contain a consortiums group definition.  This block cannot be used for orderer bootstrap."
        )
    }
    const now = yield* Clock.currentTimeMillis
    const block = yield* Effect.mapError(
      logging(encoderLog, "warning", (warn) =>
        makeGenesisBlock(profile, options.channelID, { now, nonce: randomBytes(24) }, warn)
      ),
      (error) => new Fatal({ text: `Error creating channel group: ${error.message}` })
    )
    yield* log.at("doOutputBlock").info("Writing genesis block")
    yield* write(io, options.outputBlock, common.Block.encode(block), "genesis block")
  })

const outputChannelCreateTx = (
  io: ToolIo,
  options: Options,
  profile: Profile,
  base: Profile | undefined
): Effect.Effect<void, Fatal> =>
  Effect.gen(function* () {
    yield* log.at("doOutputChannelCreateTx").info("Generating new channel configtx")
    const now = yield* Clock.currentTimeMillis
    const envelope = yield* Effect.mapError(
      logging(encoderLog, "warning", (warn) =>
        makeChannelCreationTransaction(options.channelID, profile, now, warn, base)
      ),
      (error) => new Fatal({ text: error.message })
    )
    yield* log.at("doOutputChannelCreateTx").info("Writing new channel tx")
    yield* write(io, options.outputCreateChannelTx, common.Envelope.encode(envelope), "channel create tx")
  })

const outputAnchorPeersUpdate = (io: ToolIo, options: Options, profile: Profile): Effect.Effect<void, Fatal> =>
  Effect.gen(function* () {
    yield* log.at("doOutputAnchorPeersUpdate").info("Generating anchor peer update")
    const envelope = yield* Effect.mapError(
      makeAnchorPeersUpdate(options.channelID, profile, options.asOrg),
      (error) => new Fatal({ text: error.message })
    )
    yield* log.at("doOutputAnchorPeersUpdate").info("Writing anchor peer update")
    yield* write(io, options.outputAnchorPeersUpdate, common.Envelope.encode(envelope), "channel anchor peer update")
  })

/** Prints a file's message as JSON; the texts name what the file should hold. */
const inspect = (
  io: ToolIo,
  path: string,
  type: MessageInfo,
  texts: { readonly unread: (fault: string) => string; readonly malformed: string; readonly contents: string }
): Effect.Effect<void, Fatal> =>
  Effect.gen(function* () {
    const bytes = yield* Effect.mapError(readTool(io, path), (fault) => new Fatal({ text: texts.unread(fault) }))
    const message = yield* Effect.try({
      try: () => type.decode(bytes),
      catch: (error) =>
        new Fatal({ text: `${texts.malformed}: ${error instanceof Error ? error.message : String(error)}` })
    })
    const json = yield* Effect.mapError(
      deepMarshalJson(plain(type), message),
      (error) => new Fatal({ text: `${texts.contents}: ${error.message}` })
    )
    io.stdout(json)
  })

const printOrg = (io: ToolIo, name: string, source: ConfigtxSource): Effect.Effect<void, Fatal> =>
  Effect.gen(function* () {
    const orgs = yield* Effect.mapError(loadOrganizations(source), (error) => new Fatal({ text: error.message }))
    const org = orgs.find((org) => org.name === name)
    if (org === undefined) return yield* new Fatal({ text: `organization ${name} not found` })
    const group = yield* Effect.mapError(
      logging(encoderLog, "warning", (warn) => newConsortiumOrgGroup(org, warn)),
      (error) => new Fatal({ text: `bad org definition for org ${name}: ${error.message}` })
    )
    const json = yield* Effect.mapError(
      deepMarshalJson(consortiumOrg, group),
      (error) => new Fatal({ text: `malformed org definition for org: ${name}: ${error.message}` })
    )
    io.stdout(json)
  })

/** A profile or the file's organisations could not be read: the reference adds what to do about it. */
const unread = (error: { readonly message: string }): Fatal => {
  const advice = "Please make sure that FABRIC_CFG_PATH or -configPath is set to a path which contains configtx.yaml"
  if (error.message === missingFile) return new Fatal({ text: `Could not find configtx.yaml. ${advice}` })
  return error.message.startsWith("Could not find profile")
    ? new Fatal({ text: `${error.message}. ${advice} with the specified profile` })
    : new Fatal({ text: error.message })
}

const failing = (flag: string) =>
  Effect.mapError((error: Fatal) => new Fatal({ text: `Error on ${flag}: ${error.text}` }))

const carryOut = (io: ToolIo, given: Options): Effect.Effect<void, Fatal> =>
  Effect.gen(function* () {
    const outputs =
      given.outputBlock !== "" || given.outputCreateChannelTx !== "" || given.outputAnchorPeersUpdate !== ""
    const channelID = given.channelID === "" && outputs ? "testchainid" : given.channelID
    if (channelID !== given.channelID) {
      yield* log.warning(
        `Omitting the channel ID for configtxgen for output operations is deprecated.  Explicitly passing the channel ID will be required in the future, defaulting to '${channelID}'.`
      )
    }
    const options: Options = { ...given, channelID }
    yield* log.info("Loading configuration")
    const source: ConfigtxSource = { configPath: options.configPath, env: io.env, cwd: io.cwd }
    const load = (name: string) =>
      Effect.mapError(
        logging(configLog, "info", (info) => loadProfile(name, { ...source, info })),
        unread
      )
    const profile = outputs ? yield* load(options.profile) : undefined
    // Unlike the reference, inspection needs no configtx.yaml.
    const inspecting = options.inspectBlock !== "" || options.inspectChannelCreateTx !== ""
    if (!inspecting || outputs) {
      yield* Effect.mapError(
        logging(configLog, "info", (info) => loadOrganizations({ ...source, info })),
        unread
      )
    }
    const base = options.channelCreateTxBaseProfile === "" ? undefined : yield* load(options.channelCreateTxBaseProfile)
    if (base !== undefined && options.outputCreateChannelTx === "") {
      yield* log.warning(
        "Specified 'channelCreateTxBaseProfile', but did not specify 'outputChannelCreateTx', 'channelCreateTxBaseProfile' will not affect output."
      )
    }
    if (profile !== undefined && options.outputBlock !== "") {
      yield* failing("outputBlock")(outputBlock(io, options, profile))
    }
    if (profile !== undefined && options.outputCreateChannelTx !== "") {
      yield* failing("outputChannelCreateTx")(outputChannelCreateTx(io, options, profile, base))
    }
    if (options.inspectBlock !== "") {
      yield* log.at("doInspectBlock").info("Inspecting block")
      const texts = {
        unread: () => `Could not read block ${options.inspectBlock}`,
        malformed: "error unmarshaling to block: error unmarshaling block",
        contents: "malformed block contents"
      }
      yield* failing("inspectBlock")(inspect(io, options.inspectBlock, common.Block, texts))
    }
    if (options.inspectChannelCreateTx !== "") {
      yield* log.at("doInspectChannelCreateTx").info("Inspecting transaction")
      const path = options.inspectChannelCreateTx
      const texts = {
        unread: (fault: string) => `could not read channel create tx: ${fault}`,
        malformed: "Error unmarshaling envelope: error unmarshaling envelope",
        contents: "malformed transaction contents"
      }
      yield* failing("inspectChannelCreateTx")(inspect(io, path, common.Envelope, texts))
    }
    if (profile !== undefined && options.outputAnchorPeersUpdate !== "") {
      // The reference blames the wrong flag here, and scripts may look for it.
      yield* failing("inspectChannelCreateTx")(outputAnchorPeersUpdate(io, options, profile))
    }
    if (options.printOrg !== "") yield* failing("printOrg")(printOrg(io, options.printOrg, source))
  })

/**
 * Runs configtxgen. In: the arguments after the program's name. Out: the exit code, 0, 1, or 2 for wrong flags; output
 * files, JSON on standard output, log lines on standard error.
 */
export const configtxgen = (argv: ReadonlyArray<string>, io: ToolIo): Effect.Effect<number> =>
  Either.match(parseFlags("configtxgen", flags, argv), {
    onLeft: ({ code, text }) =>
      Effect.sync(() => {
        io.stderr(text)
        return code
      }),
    onRight: (options) => {
      if (options.version === "true") {
        return Effect.sync(() => {
          io.stdout(versionText("configtxgen"))
          return 0
        })
      }
      return withToolLog(
        io,
        Effect.matchEffect(carryOut(io, options), {
          onFailure: (error) => Effect.as(log.fatal(error.text), 1),
          onSuccess: () => Effect.succeed(0)
        })
      )
    }
  })

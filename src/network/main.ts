/**
 * The `network` program: parses the command line, runs a command, gives the exit code. A command's own modules are loaded
 * when it is chosen: `--help` and `up` do not wait for Fabric's tools.
 */
import { readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Command, CommanderError } from "commander"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { ToolIo } from "../tools/ToolIo.js"
import type { Place } from "./cli/commands.js"
import type { Output } from "./cli/output.js"

export { ended } from "../runtime/ended.js"

export interface MainOptions {
  readonly argv: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly kill: (code: number) => void
}

/** The package's own folder, seen from `dist/network/main.js`. */
const home = join(dirname(fileURLToPath(import.meta.url)), "..", "..")

/** A command's work, once what it needs is loaded. */
type Work = () => Promise<Effect.Effect<number, unknown>>

/** Checks a command's options, then runs it. */
const checked =
  <A, I>(
    load: () => Promise<readonly [Schema.Schema<A, I>, (options: A) => Effect.Effect<void, unknown>]>,
    given: unknown
  ): Work =>
  async () => {
    const [{ runChecked }, [schema, run]] = await Promise.all([import("./cli/options.js"), load()])
    return runChecked(schema, given, run)
  }

const TOOLS = "cryptogen, configtxgen or configtxlator"

/** The commands on a network that is there, with their options. */
const commands = async () => {
  const [options, there] = await Promise.all([import("./cli/options.js"), import("./cli/commands.js")])
  return { ...there, CommonOptions: options.CommonOptions, CallOptions: options.CallOptions }
}

/** The commands that change a network, with their options. */
const growth = async () => {
  const [options, grow] = await Promise.all([import("./cli/options.js"), import("./cli/grow.js")])
  const { ChaincodeDeployOptions, ChannelCreateOptions, PeerAddOptions } = options
  return { ...grow, ChaincodeDeployOptions, ChannelCreateOptions, PeerAddOptions }
}

const build = (options: MainOptions, choose: (work: Work) => void): Command => {
  const cwd = process.cwd()
  const out = (given: { readonly json?: boolean | undefined }): Output => ({
    json: given.json === true,
    write: (line) => void process.stdout.write(line)
  })
  const place = (given: { readonly dir?: string | undefined }): Place => ({ cwd, dir: given.dir })
  const program = new Command("network")
    .description("A Hyperledger Fabric 1.4 network on this machine: no Docker, no binaries.")
    .exitOverride()
    .showHelpAfterError()
  const command = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .option("--dir <folder>", "folder of the network (default: ./network)")
      .option("--json", "one JSON object a line, for scripts")

  command("up", "bring a network up and show its blocks; Ctrl-C stops it")
    .option("--channel <name>", "channel to create (default: mychannel)")
    .option("--chaincode <folder...>", "run this chaincode instead of the sample; may be repeated")
    .option("--init <json>", "arguments of its Init, as a JSON list of texts")
    .option("--policy <text>", "its endorsement policy (default: any member)")
    .option("--orgs <count>", "peer organisations (default: 1)")
    .option("--peers <count>", "peers of each organisation (default: 1)")
    .option("--consensus <type>", "solo (default) or kafka")
    .option("--brokers <list>", "kafka: brokers that run, as host:port,host:port (none is started: that takes Java)")
    .option("--kafka-tls-ca <file>", "kafka: authorities of the brokers, PEM; connects with TLS")
    .option("--kafka-tls-cert <file>", "kafka: certificate for brokers that ask for one, PEM")
    .option("--kafka-tls-key <file>", "kafka: its private key, PEM")
    .option("--kafka-user <name>", "kafka: name at the brokers (SASL/PLAIN)")
    .option("--kafka-password-file <file>", "kafka: file whose first line is the password")
    .option("--crypto-config <folder>", "use this material instead of making some; with --configtx")
    .option("--configtx <file>", "the configtx.yaml that goes with it")
    .option("--genesis-profile <name>", "its profile for the orderer (default: TwoOrgsOrdererGenesis or SoloGenesis)")
    .option("--channel-profile <name>", "its profile for channels (default: TwoOrgsChannel)")
    .option("--tls [on|off]", "TLS between everything (default: off)")
    .option("--batch-timeout <ms>", "a block is cut after this time though not full (default: 200)")
    .option("--max-messages <count>", "transactions that fill a block (default: 10)")
    .option(
      "--state-database <name>",
      "goleveldb (default), embedded (rich queries without a server), or couchdb=host:port, one for each peer"
    )
    .option("--base-port <port>", "port of the orderer; others follow (default: 7050)")
    .option("--free-ports", "use any free ports")
    .option("--watch", "run chaincode in its folder and start it anew when it changes (Node)")
    .option(
      "--inspect [port]",
      "a debugger port for Node chaincode (default: 9229); no time limit while one is attached"
    )
    .option("--detach", "leave the network running and return")
    .action((given: unknown) =>
      choose(
        checked(async () => {
          const [{ UpOptions }, { upCommand }] = await Promise.all([import("./cli/options.js"), import("./cli/up.js")])
          return [UpOptions, (o) => upCommand(o, { cwd, home, environment: options.env }, out(o))]
        }, given)
      )
    )
  command("down", "stop a network that runs detached").action((given: unknown) =>
    choose(
      checked(async () => {
        const { CommonOptions, downCommand } = await commands()
        return [CommonOptions, (o) => downCommand(place(o), out(o))]
      }, given)
    )
  )
  command("clean", "remove a network's folder with its ledgers").action((given: unknown) =>
    choose(
      checked(async () => {
        const { CommonOptions, cleanCommand } = await commands()
        return [CommonOptions, (o) => cleanCommand(place(o), out(o))]
      }, given)
    )
  )
  command("status", "show which nodes are up").action((given: unknown) =>
    choose(
      checked(async () => {
        const { CommonOptions, statusCommand } = await commands()
        return [CommonOptions, (o) => statusCommand(place(o), out(o))]
      }, given)
    )
  )
  command("invoke", "submit a transaction and wait until it is committed")
    .option("--name <chaincode>", "chaincode (default: the only one)")
    .option("--channel <name>", "channel (default: the network's first)")
    .option("--identity <label>", "identity of the wallet that calls (default: admin)")
    .argument("<args...>", "function and arguments")
    .action((args: ReadonlyArray<string>, given: unknown) =>
      choose(
        checked(async () => {
          const { CallOptions, invokeCommand } = await commands()
          return [CallOptions, (o) => invokeCommand(place(o), o, args, out(o))]
        }, given)
      )
    )
  command("query", "ask a chaincode without ordering anything")
    .option("--name <chaincode>", "chaincode (default: the only one)")
    .option("--channel <name>", "channel (default: the network's first)")
    .option("--identity <label>", "identity of the wallet that calls (default: admin)")
    .argument("<args...>", "function and arguments")
    .action((args: ReadonlyArray<string>, given: unknown) =>
      choose(
        checked(async () => {
          const { CallOptions, queryCommand } = await commands()
          return [CallOptions, (o) => queryCommand(place(o), o, args, out(o))]
        }, given)
      )
    )
  const world = { cwd, home, environment: options.env }
  const group = (name: string, description: string) => {
    const parent = program.command(name).description(description)
    return (sub: string, what: string) =>
      parent
        .command(sub)
        .description(what)
        .option("--dir <folder>", "folder of the network (default: ./network)")
        .option("--json", "one JSON object a line, for scripts")
  }
  group("peer", "change the peers of a network that runs")(
    "add",
    "start a further peer: it joins every channel and gets the chaincodes"
  )
    .option("--org <name>", "its organisation (default: the first)")
    .action((given: unknown) =>
      choose(
        checked(async () => {
          const { PeerAddOptions, peerAddCommand } = await growth()
          return [PeerAddOptions, (o) => peerAddCommand(o, world, out(o))]
        }, given)
      )
    )
  group("channel", "change the channels of a network that runs")(
    "create",
    "create a further channel; every peer joins it"
  )
    .argument("<name>", "lower-case letters, digits, dots and dashes, a letter first")
    .action((name: string, given: unknown) =>
      choose(
        checked(async () => {
          const { ChannelCreateOptions, channelCreateCommand } = await growth()
          return [ChannelCreateOptions, (o) => channelCreateCommand(name, o, world, out(o))]
        }, given)
      )
    )
  group("chaincode", "change the chaincodes of a network that runs")(
    "deploy",
    "install and instantiate a chaincode, or upgrade it when another version is there"
  )
    .argument("<folder>", "its code")
    .option("--channel <name>", "channel (default: the network's first)")
    .option("--name <chaincode>", "its name (default: the folder's)")
    .option("--version <text>", "its version (default: 1.0)")
    .option("--init <json>", "arguments of its Init, as a JSON list of texts")
    .option("--policy <text>", "its endorsement policy (default: any member)")
    .action((path: string, given: unknown) =>
      choose(
        checked(async () => {
          const { ChaincodeDeployOptions, chaincodeDeployCommand } = await growth()
          return [ChaincodeDeployOptions, (o) => chaincodeDeployCommand(path, o, world, out(o))]
        }, given)
      )
    )
  command("explain", "say why a proposal or a transaction was refused: which check, policy, signer, key or version")
    .argument("<txid>", "transaction id")
    .action((txId: string, given: unknown) =>
      choose(
        checked(async () => {
          const [{ CommonOptions }, { explainCommand }] = await Promise.all([
            import("./cli/options.js"),
            import("./cli/explain.js")
          ])
          return [CommonOptions, (o) => explainCommand(place(o), txId, out(o), toolIo(options))]
        }, given)
      )
    )
  program
    .command("discover")
    .description("ask a peer's discovery service: peers, config or endorsers, printed as Go's discover program does")
    .argument("<subject>", "peers, config or endorsers")
    .option("--dir <folder>", "folder of the network (default: ./network)")
    .option("--server <peer>", "peer to ask: a name of the network, or host:port with --msp-dir")
    .option("--channel <name>", "channel; `peers` without one asks for all peers (admins only)")
    .option("--chaincode <name...>", "endorsers: chaincodes that call each other, in order")
    .option("--collection <list...>", "endorsers: CHAINCODE:COLLECTION,COLLECTION")
    .option("--identity <label>", "identity of the wallet that asks (default: admin)")
    .option("--msp <id>", "with --msp-dir: MSP of the one who asks")
    .option("--msp-dir <folder>", "MSP folder of the one who asks, for a peer of another network")
    .option("--peerTLSCA <file>", "with --msp-dir: CA of the peer's TLS certificate")
    .option("--tlsCert <file>", "with --msp-dir: client certificate")
    .option("--tlsKey <file>", "with --msp-dir: its key")
    .action((subject: unknown, given: unknown) =>
      choose(
        checked(async () => {
          const { DiscoverOptions, discoverCommand } = await import("./cli/discover.js")
          const write = (line: string) => void process.stdout.write(line)
          return [DiscoverOptions, (o) => discoverCommand({ cwd, dir: o.dir }, subject, o, write)]
        }, given)
      )
    )
  program
    .command("ledger")
    .description("look into ledgers: blocks, transactions, state, history, verify, rebuild, compare, import, export")
  program.command("tools").description(`Fabric's tools: ${TOOLS}, with their own arguments`)
  return program
}

const toolIo = (options: MainOptions): ToolIo => ({
  cwd: process.cwd(),
  env: options.env,
  stdin: () => readFile("/dev/stdin"),
  stdout: (data) => void process.stdout.write(data),
  stderr: (text) => void process.stderr.write(text),
  ...(process.stderr.isTTY ? { terminal: { columns: process.stderr.columns || 80 } } : {})
})

/** Fabric's tools take their arguments as they are: commander must not look at them. */
const tool =
  (argv: ReadonlyArray<string>, options: MainOptions): Work =>
  async () => {
    const [name, ...rest] = argv
    const io = toolIo(options)
    switch (name) {
      case "cryptogen":
        return (await import("../tools/cryptogen/index.js")).cryptogen(rest, io)
      case "configtxgen":
        return (await import("../tools/configtxgen/index.js")).configtxgen(rest, io)
      case "configtxlator":
        return (await import("../tools/configtxlator/index.js")).configtxlator(rest, io)
      case "ledger":
        return (await import("../tools/ledger/index.js")).ledgerTool(rest, io)
      default: {
        const { NetworkRefused } = await import("./errors.js")
        return new NetworkRefused({ reason: `no tool ${name ?? ""}`, remedy: `choose ${TOOLS}` })
      }
    }
  }

/** Runs the program; the launcher ends the process with the code. */
export const main = async (options: MainOptions): Promise<number> => {
  const { argv } = options
  let work: Work | undefined
  if (argv[0] === "tools" && argv[1] !== "--help") work = tool(argv.slice(1), options)
  else if (argv[0] === "ledger") work = tool(argv, options)
  else {
    try {
      await build(options, (chosen) => {
        work = chosen
      }).parseAsync([...argv], { from: "user" })
    } catch (error) {
      if (error instanceof CommanderError) return error.exitCode
      throw error
    }
  }
  if (work === undefined) return 0
  // a closed terminal or pipe ends the program in order, as Ctrl-C does
  const hangUp = () => void process.emit("SIGTERM", "SIGTERM")
  process.once("SIGHUP", hangUp)
  process.stdout.on("error", hangUp)
  process.stderr.on("error", hangUp)
  const [given, { map }, Program] = await Promise.all([
    work(),
    import("effect/Effect"),
    import("../runtime/Program.js")
  ])
  let code = 0
  const finished = map(given, (found) => {
    code = found
  })
  const ended = await Program.run(finished, {
    log: undefined,
    write: (text) => void process.stderr.write(text),
    kill: options.kill
  })
  return ended === 0 ? code : ended
}

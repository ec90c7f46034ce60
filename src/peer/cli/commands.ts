/**
 * All commands of the `peer` program with their flags: names, letters, kinds and defaults are the reference's. What a
 * command does is loaded when it is called: help, faults and `version` start at once.
 * Source: operations-cli.md 4.1, 4.2.
 */
import type { CommandSpec } from "./commandTree.js"
import { duration, type FlagSpec, flag, hidden, list, text, uint } from "./flags.js"
import type { Command } from "./Session.js"

/** What a command is at last. */
export type Run =
  | { readonly _tag: "Version" }
  /** The node itself, which the program's main file starts. */
  | { readonly _tag: "Start" }
  /** The effective configuration. */
  | { readonly _tag: "Config" }
  | { readonly _tag: "Client"; readonly load: () => Promise<Command> }

type Spec = CommandSpec<Run>

const SECOND = 1_000_000_000n

const client = (
  use: string,
  short: string,
  flags: ReadonlyArray<FlagSpec>,
  load: () => Promise<Command>,
  long = short
): Spec => ({
  use,
  short,
  long,
  flags,
  persistent: [],
  commands: [],
  run: { _tag: "Client", load }
})

const group = (
  use: string,
  short: string,
  persistent: ReadonlyArray<FlagSpec>,
  commands: ReadonlyArray<Spec>
): Spec => ({ use, short, long: short, flags: [], persistent, commands })

// ---- Flags of several commands -----------------------------------------------------------------------------------

const ordererFlags: ReadonlyArray<FlagSpec> = [
  text("orderer", "The orderer to talk to, host:port", "o"),
  flag("tls", "Talk TLS to the orderer"),
  flag("clientauth", "Show a client certificate to the orderer (mutual TLS)"),
  text("cafile", "PEM file with the authorities trusted for the orderer's certificate"),
  text("keyfile", "PEM file with the private key for mutual TLS with the orderer"),
  text("certfile", "PEM file with the certificate for mutual TLS with the orderer"),
  text("ordererTLSHostnameOverride", "The name that the orderer's certificate must carry instead of its host"),
  duration("connTimeout", "Limit for connecting", 3n * SECOND),
  duration("tlsHandshakeTimeShift", "Judge the orderer's certificate as of that long ago", 0n)
]

const explain = flag(
  "explain",
  "When refused, tell which policy, identity, signature or version it was (not in Fabric)"
)
const channelId = text("channelID", "The channel", "c")
const configTx = text("file", "File with a config update, such as configtxgen writes", "f")

const lang = text("lang", "Language of the chaincode: golang, node, java or car", "l", "golang")
const ctor = text("ctor", 'The call as JSON: {"Args":["function","argument"]}', "c", "{}")
const path = text("path", "Where the chaincode's source is", "p")
const name = text("name", "Name of the chaincode", "n")
const version = text("version", "Version of the chaincode", "v")
const chaincodeChannel = text("channelID", "The channel", "C")
const peerFlags: ReadonlyArray<FlagSpec> = [
  list("peerAddresses", "A peer to talk to, host:port"),
  list("tlsRootCertFiles", "With TLS: PEM file with the authorities of the peer at the same place in --peerAddresses"),
  text("connectionProfile", "Connection profile that names the peers to talk to")
]
const deployFlags: ReadonlyArray<FlagSpec> = [
  lang,
  ctor,
  name,
  chaincodeChannel,
  version,
  text("policy", "The endorsement policy", "P"),
  text("escc", "Name of the endorsement plugin", "E"),
  text("vscc", "Name of the validation plugin", "V"),
  text("collections-config", "JSON file with the private data collections"),
  explain,
  ...peerFlags
]

// ---- What the commands do ----------------------------------------------------------------------------------------

const admin =
  (name: keyof typeof import("./admin.js")): (() => Promise<Command>) =>
  async () =>
    (await import("./admin.js"))[name]
const channel =
  (name: "create" | "fetch" | "getinfo" | "join" | "list" | "signconfigtx" | "update"): (() => Promise<Command>) =>
  async () =>
    (await import("./channel/commands.js"))[name]
const ledgers =
  (name: keyof typeof import("./ledgers.js")): (() => Promise<Command>) =>
  async () =>
    (await import("./ledgers.js"))[name]
const packages =
  (name: "install" | "list" | "makePackage" | "signPackage"): (() => Promise<Command>) =>
  async () =>
    (await import("./chaincode/packages.js"))[name]
const transactions =
  (name: keyof typeof import("./chaincode/transactions.js")): (() => Promise<Command>) =>
  async () =>
    (await import("./chaincode/transactions.js"))[name]

// ---- Commands ----------------------------------------------------------------------------------------------------

const channelCommands: ReadonlyArray<Spec> = [
  client(
    "create",
    "Create a channel",
    [
      channelId,
      configTx,
      text("outputBlock", "Where to write the channel's first block (default ./<channelID>.block)"),
      duration("timeout", "Limit for the channel to appear", 10n * SECOND, "t"),
      explain
    ],
    channel("create"),
    "Creates a channel and writes its first block to a file."
  ),
  client(
    "fetch <newest|oldest|config|(number)> [outputfile]",
    "Fetch a block",
    [channelId, flag("bestEffort", "Take blocks even while the orderer reports an error")],
    channel("fetch"),
    "Writes a block to a file: from the orderer when -o is given, else from the peer."
  ),
  client("getinfo", "Show height and hashes of a channel's chain", [channelId], channel("getinfo")),
  client(
    "join",
    "Have the peer join a channel",
    [text("blockpath", "File with the channel's first block", "b")],
    channel("join")
  ),
  client("list", "List the channels that the peer has joined", [], channel("list")),
  client(
    "signconfigtx",
    "Sign a config update",
    [configTx, explain],
    channel("signconfigtx"),
    "Adds a signature to the config update in a file."
  ),
  client(
    "update",
    "Send a config update",
    [channelId, configTx, explain],
    channel("update"),
    "Signs a config update and sends it to the orderer."
  )
]

const chaincodeCommands: ReadonlyArray<Spec> = [
  client(
    "install",
    "Install chaincode on a peer",
    [lang, ctor, path, name, version, ...peerFlags],
    packages("install"),
    "Packages chaincode, or takes a package file, and installs it on a peer."
  ),
  client("instantiate", "Start chaincode on a channel", deployFlags, transactions("instantiate")),
  client(
    "invoke",
    "Call chaincode and order the transaction",
    [
      name,
      ctor,
      chaincodeChannel,
      ...peerFlags,
      explain,
      flag("waitForEvent", "Wait until every peer that was asked has committed the transaction"),
      duration("waitForEventTimeout", "Limit for that wait", 30n * SECOND)
    ],
    transactions("invoke")
  ),
  client(
    "list",
    "List chaincodes of a channel or a peer",
    [
      chaincodeChannel,
      flag("installed", "Those installed on the peer"),
      flag("instantiated", "Those instantiated on the channel"),
      ...peerFlags
    ],
    packages("list")
  ),
  client(
    "package",
    "Package chaincode into a file",
    [
      lang,
      ctor,
      path,
      name,
      version,
      flag("cc-package", "Make a package that owners can sign", "s"),
      flag("sign", "With -s: sign it", "S"),
      text("instantiate-policy", "With -s: who may instantiate it", "i")
    ],
    packages("makePackage")
  ),
  client(
    "query",
    "Call chaincode and print the answer",
    [
      ctor,
      name,
      chaincodeChannel,
      ...peerFlags,
      flag("raw", "Print the answer's bytes as numbers", "r"),
      flag("hex", "Print the answer in hexadecimal; not together with --raw", "x"),
      explain
    ],
    transactions("query"),
    "Asks one peer and prints the answer; no transaction is made."
  ),
  client("signpackage", "Sign a chaincode package", [], packages("signPackage")),
  client("upgrade", "Move a channel to another version of chaincode", [path, ...deployFlags], transactions("upgrade"))
]

const loggingCommands: ReadonlyArray<Spec> = [
  client("getlevel <logger>", "Show the level of a logger", [], admin("getLevel")),
  client("getlogspec", "Show the logging specification", [], admin("getLogSpec")),
  client("revertlevels", "Go back to the logging specification of the start", [], admin("revertLevels")),
  client("setlevel <logger> <log level>", "Set the level of a logger", [], admin("setLevel")),
  client("setlogspec", "Set the logging specification", [], admin("setLogSpec"))
]

const nodeCommands: ReadonlyArray<Spec> = [
  {
    use: "config",
    short: "Show the configuration",
    long: "Shows the effective value of every key of core.yaml and where it came from, with secrets masked. Not in Fabric.",
    flags: [],
    persistent: [],
    commands: [],
    run: { _tag: "Config" }
  },
  {
    use: "start",
    short: "Start the node",
    long: "Starts the peer and serves until it is told to stop.",
    flags: [flag("peer-chaincodedev", "Chaincode is started by hand, not by the peer")],
    persistent: [],
    commands: [],
    run: { _tag: "Start" }
  },
  client("status", "Show the status of the node", [], admin("nodeStatus")),
  client(
    "reset",
    "Take all channels back to their first block",
    [],
    ledgers("reset"),
    "Takes all channels back to their first block. The peer must be down; at its next start it fetches the blocks again and rebuilds what follows from them."
  ),
  client(
    "rollback",
    "Take a channel back to a block",
    [text("channelID", "The channel", "c"), uint("blockNumber", "The block that becomes the last one", "b")],
    ledgers("rollback"),
    "Takes a channel back to a block. The peer must be down; at its next start it fetches the blocks behind it again and rebuilds what follows from them."
  )
]

const names = (commands: ReadonlyArray<Spec>): string => commands.map(({ use }) => use.split(" ", 1)[0]).join("|")

/** The `peer` program. */
export const peerProgram: Spec = {
  use: "peer",
  short: "",
  long: "",
  flags: [],
  persistent: [hidden(text("logging-level", "No longer read"))],
  commands: [
    group(
      "chaincode",
      `Work with chaincode: ${names(chaincodeCommands)}.`,
      [...ordererFlags, text("transient", "Transient data as JSON: names to base64")],
      chaincodeCommands
    ),
    group("channel", `Work with channels: ${names(channelCommands)}.`, ordererFlags, channelCommands),
    group("logging", `Log levels of a peer: ${names(loggingCommands)}.`, [], loggingCommands),
    group("node", `Run a peer: ${names(nodeCommands)}.`, [], nodeCommands),
    {
      use: "version",
      short: "Print the peer's version",
      long: "Prints the peer's version.",
      flags: [],
      persistent: [],
      commands: [],
      run: { _tag: "Version" }
    }
  ]
}

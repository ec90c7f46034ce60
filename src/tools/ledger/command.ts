/**
 * `ledger`: what a stopped node's folder holds, whether it is sound, a new start from a Go node's blocks, and two running
 * peers side by side. In: the arguments behind `ledger`. Out: the exit code: 0, 1 where something was found wrong or
 * could not be done, 2 for a wrong command line.
 */
import { Command, CommanderError } from "commander"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { toHex } from "../../wire/protoutil.js"
import { type ToolIo, withToolLog } from "../ToolIo.js"
import { compare } from "./compare.js"
import { LedgerToolFailed } from "./errors.js"
import { explain } from "./explain.js"
import { exportLedger } from "./export.js"
import { type ImportedChannel, importLedger } from "./import.js"
import * as inspect from "./inspect.js"
import type { Out } from "./listing.js"
import { rebuild } from "./rebuild.js"
import * as stateQueries from "./stateQueries.js"
import { verify } from "./verify.js"

type Work = Effect.Effect<number, LedgerToolFailed>

const Text = Schema.optional(Schema.String)
const Flag = Schema.optional(Schema.Boolean)
const Where = Schema.Struct({ ledger: Schema.String, channel: Text, json: Flag })

/** Block numbers are 64 bits wide. */
const blockNumber = (text: string | undefined, what: string): Effect.Effect<bigint | undefined, LedgerToolFailed> =>
  text === undefined
    ? Effect.succeed(undefined)
    : /^\d{1,20}$/.test(text)
      ? Effect.succeed(BigInt(text))
      : Effect.fail(new LedgerToolFailed({ reason: `${what} must be a block number, not ${text}`, remedy: "" }))

const ok = Effect.as(0)
const code = (good: boolean): number => (good ? 0 : 1)

/** Options as commander gives them, checked: a mistake here is this file's. */
const given = <A, I>(schema: Schema.Schema<A, I>, options: unknown): Effect.Effect<A, LedgerToolFailed> =>
  Effect.mapError(
    Schema.decodeUnknown(schema)(options),
    (error) => new LedgerToolFailed({ reason: `bad option: ${error.message}`, remedy: "see --help" })
  )

// ---- Results -----------------------------------------------------------------------------------------------------

const verified = (io: ToolIo, options: unknown): Work =>
  Effect.gen(function* () {
    const { json, ...where } = yield* given(
      Schema.Struct({ ...Where.fields, scratch: Text, transactions: Flag }),
      options
    )
    const findings: Array<string> = []
    const say = (line: string) => {
      if (json === true) findings.push(line)
      else io.stdout(`${line}\n`)
    }
    const results = yield* verify(io, where, say)
    const total = results.reduce((sum, { findings: count }) => sum + count, 0)
    if (json === true) io.stdout(`${JSON.stringify({ channels: results, findings })}\n`)
    else
      for (const { blocks, channel, checked, findings: count, transactions } of results)
        io.stdout(
          `${channel}: ${blocks} blocks, ${transactions} transactions, ${count === 0 ? "nothing wrong" : `${count} finding(s)`} (${checked.join("; ")})\n`
        )
    return code(total === 0)
  })

const rebuilt = (io: ToolIo, options: unknown): Work =>
  Effect.gen(function* () {
    const { json, ...rest } = yield* given(
      Schema.Struct({ ...Where.fields, cut: Flag, history: Flag, mspId: Text }),
      options
    )
    for (const { channel, cutFrom, height, setAside } of yield* rebuild(io, rest)) {
      const notes = [
        ...(cutFrom === undefined
          ? []
          : [`blocks from [${cutFrom}] on were damaged and are cut off: start the node to take them again`]),
        ...(setAside === undefined ? [] : [`the database that could not be opened lies at ${setAside}`])
      ]
      io.stdout(
        json === true
          ? `${JSON.stringify({ channel, height: Number(height), notes })}\n`
          : `${channel}: rebuilt from ${height} blocks\n${notes.map((note) => `  ${note}\n`).join("")}`
      )
    }
    return 0
  })

const compared = (io: ToolIo, a: string, b: string, options: unknown): Work =>
  Effect.gen(function* () {
    const { from, json, msp, to, ...rest } = yield* given(
      Schema.Struct({
        channel: Text,
        json: Flag,
        from: Text,
        to: Text,
        once: Flag,
        msp: Text,
        mspId: Text,
        tlsCa: Schema.optional(Schema.Array(Schema.String)),
        tlsCert: Text,
        tlsKey: Text,
        tlsName: Text
      }),
      options
    )
    const range = { from: yield* blockNumber(from, "--from"), to: yield* blockNumber(to, "--to") }
    const { blocks, difference } = yield* compare(io, { ...rest, ...range, a, b, mspDir: msp })
    if (json === true)
      io.stdout(
        `${JSON.stringify({ blocks: Number(blocks), difference: difference === undefined ? null : { block: Number(difference.block), what: difference.what } })}\n`
      )
    else if (difference === undefined) io.stdout(`${blocks} blocks are the same\n`)
    else
      io.stdout(
        `block [${difference.block}] is the first that differs, ${blocks} before it are the same\n${difference.what.map((line) => `  ${line}\n`).join("")}`
      )
    return code(difference === undefined)
  })

const missingLines = ({ missing }: ImportedChannel): ReadonlyArray<string> => [
  ...(missing.length === 0
    ? []
    : ["  private data that this peer is a member for and does not have (it asks other members when it runs):"]),
  ...missing.map(
    ({ block, collection, namespace, transactions }) =>
      `    block [${block}] transaction(s) ${transactions.join(", ")}: ${namespace} ${collection}`
  )
]

const imported = (io: ToolIo, options: unknown): Work =>
  Effect.gen(function* () {
    const { json, ...rest } = yield* given(
      Schema.Struct({ from: Schema.String, to: Schema.String, mspId: Text, history: Flag, json: Flag }),
      options
    )
    const { chaincodes, channels, owner, target } = yield* importLedger(io, rest)
    if (json === true) {
      const shown = channels.map(({ blocks, commitHash, missing, ...channel }) => ({
        ...channel,
        blocks: Number(blocks),
        commitHash: commitHash === undefined ? null : toHex(commitHash),
        missing: missing.map(({ block, ...at }) => ({ ...at, block: Number(block) }))
      }))
      io.stdout(`${JSON.stringify({ owner, target, chaincodes, channels: shown })}\n`)
      return 0
    }
    for (const channel of channels) {
      const hash = channel.commitHash === undefined ? "" : `, last commit hash ${toHex(channel.commitHash)}`
      const lines = [
        `${channel.channel}: ${channel.blocks} blocks, ${channel.transactions} transactions${hash}`,
        ...channel.warnings.map((warning) => `  ${warning}`),
        ...missingLines(channel)
      ]
      io.stdout(`${lines.join("\n")}\n`)
    }
    if (chaincodes > 0) io.stdout(`${chaincodes} chaincode package(s) copied\n`)
    io.stdout(`the ${owner}'s ledgers are in ${target}\n`)
    return 0
  })

const exported = (io: ToolIo, options: unknown): Work =>
  Effect.gen(function* () {
    const { json, ...rest } = yield* given(
      Schema.Struct({ ledger: Schema.String, to: Schema.String, json: Flag }),
      options
    )
    for (const { blocks, channel } of yield* exportLedger(io, rest))
      io.stdout(
        json === true ? `${JSON.stringify({ channel, blocks: Number(blocks) })}\n` : `${channel}: ${blocks} blocks\n`
      )
    return 0
  })

// ---- The command line --------------------------------------------------------------------------------------------

const build = (io: ToolIo, choose: (work: Work) => void): Command => {
  const program = new Command("ledger")
    .description(
      "Looks into, checks, rebuilds, compares, imports and exports ledgers. Nodes must be stopped, but for compare."
    )
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout(text), writeErr: (text) => io.stderr(text) })
    .showHelpAfterError()
  const folder = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .requiredOption("--ledger <folder>", "a peer's peer.fileSystemPath or an orderer's FileLedger.Location")
      .option("--channel <id>", "channel (default: the only one)")
      .option("--json", "JSON, one object a line, for scripts")
  const out = (json: boolean | undefined): Out => ({ json: json === true, write: (text) => io.stdout(text) })
  /** A command that reads one channel. */
  const reading = <A extends typeof Where.Type, I>(
    schema: Schema.Schema<A, I>,
    options: unknown,
    use: (options: A, out: Out) => Effect.Effect<void, LedgerToolFailed>
  ): void => choose(Effect.flatMap(given(schema, options), (checked) => ok(use(checked, out(checked.json)))))
  const range = (from: string | undefined, to: string | undefined) =>
    Effect.all({ from: blockNumber(from, "from"), to: blockNumber(to, "to") })

  program
    .command("channels")
    .description("list the channels of a folder with their heights")
    .requiredOption("--ledger <folder>", "a node's folder")
    .option("--json", "JSON, one object a line, for scripts")
    .action((options: unknown) => reading(Where, options, (o, to) => inspect.channels(io, o.ledger, to)))
  folder("blocks", "list blocks: number, time, transactions, hashes")
    .argument("[from]", "first block (default: 0)")
    .argument("[to]", "last block (default: the newest)")
    .action((from: string | undefined, to: string | undefined, options: unknown) =>
      reading(Where, options, (o, sink) => Effect.flatMap(range(from, to), (r) => inspect.blocks(io, o, r, sink)))
    )
  folder("block", "show one block with all its transactions, decoded")
    .argument("<number>")
    .action((number: string, options: unknown) =>
      reading(Where, options, (o, sink) =>
        Effect.flatMap(blockNumber(number, "the number"), (n) => inspect.block(io, o, n ?? 0n, sink))
      )
    )
  folder("transactions", "list transactions: place, id, validation code, chaincode; with --json decoded")
    .argument("[from]", "first block (default: 0)")
    .argument("[to]", "last block (default: the newest)")
    .option("--chaincode <name>", "only calls of this chaincode")
    .option("--invalid", "only those that were not valid")
    .action((from: string | undefined, to: string | undefined, options: unknown) =>
      reading(Schema.Struct({ ...Where.fields, chaincode: Text, invalid: Flag }), options, (o, sink) =>
        Effect.flatMap(range(from, to), (r) =>
          inspect.transactions(io, o, { ...r, chaincode: o.chaincode, invalidOnly: o.invalid }, sink)
        )
      )
    )
  folder("tx", "show one transaction, decoded: read-write sets, endorsers, configuration")
    .argument("<id>")
    .action((id: string, options: unknown) =>
      reading(Where, options, (o, sink) => inspect.transaction(io, o, id, sink))
    )
  folder("explain", "say why a transaction was refused: which check, policy, signer, key or version")
    .argument("<id>")
    .option("--scratch <folder>", "where the replay's state may lie (default: the system's temporary folder)")
    .action((id: string, options: unknown) =>
      reading(Schema.Struct({ ...Where.fields, scratch: Text }), options, (o, sink) => explain(io, o, id, sink))
    )
  const Listing = Schema.Struct({
    ...Where.fields,
    collection: Text,
    start: Text,
    end: Text,
    limit: Schema.optional(Schema.NumberFromString.pipe(Schema.int(), Schema.positive()))
  })
  folder("state", "show a key's value, version and metadata, or list keys")
    .argument("<namespace>", "a chaincode, or lscc")
    .argument("[key]", "(default: list)")
    .option("--collection <name>", "private data: the value if this peer has it, and its hash")
    .option("--start <key>", "list from this key")
    .option("--end <key>", "list up to this key (exclusive)")
    .option("--limit <count>", "list so many (default: 100)")
    .action((namespace: string, key: string | undefined, options: unknown) =>
      reading(Listing, options, (o, sink) => stateQueries.state(io, o, { ...o, namespace, key }, sink))
    )
  folder("history", "show all values that a key had")
    .argument("<namespace>")
    .argument("<key>")
    .action((namespace: string, key: string, options: unknown) =>
      reading(Where, options, (o, sink) => stateQueries.history(io, o, namespace, key, sink))
    )
  folder(
    "verify",
    "check chain, signatures, flags, commit hashes, state, history, indexes (all channels, or --channel)"
  )
    .option("--transactions", "also judge every transaction anew: endorsements, policies, duplicates (slower)")
    .option("--scratch <folder>", "where the replay's state may lie (default: the system's temporary folder)")
    .action((options: unknown) => choose(verified(io, options)))
  folder("rebuild", "make indexes, state and history anew from the blocks (all channels, or --channel)")
    .option("--cut", "drop damaged blocks and all behind them; the node takes them from the orderers again")
    .option("--history", "keep a history index from now on")
    .option("--no-history", "keep none")
    .option("--msp-id <id>", "the peer's localMspId; needed when its database is lost")
    .action((options: unknown) => choose(rebuilt(io, options)))
  program
    .command("compare")
    .description("compare two peers block by block, as they go on; ends with the first difference")
    .argument("<a>", "host:port of a peer (ours or Go's), or a folder")
    .argument("<b>", "the other one")
    .option("--channel <id>", "channel")
    .option("--from <block>", "begin here (default: 0)")
    .option("--to <block>", "end here (default: go on)")
    .option("--once", "end at the lower of the two heights")
    .option("--msp <folder>", "MSP folder of a member (default: CORE_PEER_MSPCONFIGPATH)")
    .option("--msp-id <id>", "its MSP id (default: CORE_PEER_LOCALMSPID)")
    .option("--tls-ca <file...>", "authorities of the peers' TLS certificates; given: TLS to both")
    .option("--tls-cert <file>", "client certificate, under mutual TLS")
    .option("--tls-key <file>", "its key")
    .option("--tls-name <name>", "name in the peers' certificates, where it is not the address's host")
    .option("--json", "JSON for scripts")
    .action((a: string, b: string, options: unknown) => choose(compared(io, a, b, options)))
  program
    .command("import")
    .description("take the blocks of a stopped Go peer or orderer into a new folder of this program")
    .requiredOption("--from <folder>", "the Go node's peer.fileSystemPath or FileLedger.Location; it is only read")
    .requiredOption("--to <folder>", "the same setting of the new node; empty or absent")
    .option("--msp-id <id>", "the peer's localMspId")
    .option("--no-history", "keep no history index")
    .option("--json", "JSON for scripts")
    .action((options: unknown) => choose(imported(io, options)))
  program
    .command("export")
    .description("write a stopped orderer's blocks as a Go orderer's: the way back")
    .requiredOption("--ledger <folder>", "this program's orderer's FileLedger.Location")
    .requiredOption("--to <folder>", "the same setting of the Go orderer; empty or absent")
    .option("--json", "JSON, one object a line, for scripts")
    .action((options: unknown) => choose(exported(io, options)))
  return program
}

/** Runs the tool; see the module's comment. */
export const ledgerTool = (argv: ReadonlyArray<string>, io: ToolIo): Effect.Effect<number> =>
  Effect.gen(function* () {
    let work: Work | undefined
    const parsed = yield* Effect.promise(() =>
      build(io, (chosen) => {
        work = chosen
      })
        .parseAsync([...argv], { from: "user" })
        .then(
          () => undefined,
          (error: unknown) => {
            if (error instanceof CommanderError) return error
            throw error
          }
        )
    )
    if (parsed !== undefined) return parsed.exitCode === 0 ? 0 : 2
    if (work === undefined) return 0
    return yield* withToolLog(
      { ...io, env: { FABRIC_LOGGING_SPEC: "warning", ...io.env } },
      Effect.catchAll(work, (error) => {
        io.stderr(`Error: ${error.message}\n`)
        return Effect.succeed(1)
      })
    )
  })

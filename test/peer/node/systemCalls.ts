/**
 * Every function of lscc, cscc and qscc with right and wrong arguments, as admin, member and stranger, on the recorded
 * chain: what a peer answers, in a form that two peers can be held against each other. `systemAnswers.json` beside this
 * file is what Go 1.4.12 answered.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import { tarGzOf } from "../../../src/chaincode/packages/tarWriter.js"
import type { Signer } from "../../../src/msp/index.js"
import type { Channel } from "../../../src/transport/index.js"
import { protos } from "../../../src/wire/index.js"
import { utf8 } from "../../../src/wire/protoutil.js"
import { genesisBlock } from "../support.js"
import { type Call, propose } from "./calls.js"

export type Role = "stranger" | "member" | "admin"
export type People = Readonly<Record<Role, Signer>>

const CHANNEL = "mychannel"
const garbage = Uint8Array.of(0xff, 0xff, 0xff)

/** A package of a chaincode that the recorded chain does not have. */
const packageOf = (name: string, version: string, file = "src/package.json", content = "{}") =>
  protos.ChaincodeDeploymentSpec.encode({
    chaincodeSpec: {
      type: protos.ChaincodeSpec_Type.NODE,
      chaincodeId: { name, version, path: "/somewhere" },
      input: { args: [utf8("init"), utf8('quo"te\n')] }
    },
    codePackage: tarGzOf([{ name: file, content: utf8(content) }])
  })
const specOf = (name: string, version: string) =>
  protos.ChaincodeDeploymentSpec.encode({
    chaincodeSpec: { type: protos.ChaincodeSpec_Type.NODE, chaincodeId: { name, version, path: "/somewhere" } }
  })

type Args = ReadonlyArray<string | Uint8Array>
interface Case {
  readonly title: string
  readonly channelId: string
  readonly chaincode: string
  readonly args: Args
  /** The payload is compared too; otherwise only whether there is one. */
  readonly exact: boolean
}

const of =
  (chaincode: string, channelId: string, exact = false) =>
  (title: string, ...args: Args): Case => ({ title: `${chaincode} ${title}`, channelId, chaincode, args, exact })

const peer = of("lscc", "")
const chain = of("lscc", CHANNEL, true)
const changing = of("lscc", CHANNEL)
const cscc = of("cscc", "")
const csccExact = of("cscc", "", true)
const qscc = of("qscc", CHANNEL, true)

/** In the order in which they are asked: installs come before what needs them. */
const cases = (txId: string, blockHash: Uint8Array): ReadonlyArray<Case> => [
  peer("without arguments"),
  peer("nonsense", "nonsense"),
  peer("install without a package", "install"),
  peer("install garbage", "install", garbage),
  peer("install with a bad name", "install", packageOf("-bad", "1")),
  peer("install with a bad version", "install", packageOf("matrix", "a b")),
  peer("install under a system name", "install", packageOf("qscc", "1")),
  peer(
    "install with a bad index",
    "install",
    packageOf("matrix", "0", "META-INF/statedb/couchdb/indexes/i.json", '{"index":{"fields":["a"]},"no":1}')
  ),
  peer("install", "install", packageOf("matrix", "1.0")),
  peer("install again", "install", packageOf("matrix", "1.0")),
  peer("getinstalledchaincodes", "getinstalledchaincodes"),
  peer("GetInstalledChaincodes", "GetInstalledChaincodes"),
  peer("getinstalledchaincodes with more", "getinstalledchaincodes", "x"),
  peer("getchaincodes without a channel", "getchaincodes"),
  peer("getid without a channel", "getid", CHANNEL, "sink"),

  chain("getchaincodes", "getchaincodes"),
  chain("GetChaincodes", "GetChaincodes"),
  chain("getchaincodes with more", "getchaincodes", "x"),
  ...["getid", "ChaincodeExists", "getccdata", "GetChaincodeData", "getdepspec", "GetDeploymentSpec"].flatMap(
    (name) => [
      chain(name, name, CHANNEL, "sink"),
      chain(`${name} of nothing`, name, CHANNEL, "nothing"),
      chain(`${name} of another channel`, name, "elsewhere", "sink"),
      chain(`${name} with one argument`, name, CHANNEL),
      chain(`${name} with three arguments`, name, CHANNEL, "sink", "x")
    ]
  ),
  ...["GetCollectionsConfig", "getcollectionsconfig"].flatMap((name) => [
    chain(name, name, "sink"),
    chain(`${name} of nothing`, name, "nothing"),
    chain(`${name} without a name`, name),
    chain(`${name} with more`, name, "sink", "x")
  ]),
  ...["deploy", "upgrade"].flatMap((name) => [
    changing(`${name} without arguments`, name),
    changing(`${name} with one argument`, name, CHANNEL),
    changing(`${name} without a channel`, name, "", specOf("matrix", "1.0")),
    changing(`${name} of garbage`, name, CHANNEL, garbage),
    changing(`${name} with a bad name`, name, CHANNEL, specOf("-bad", "1.0")),
    changing(`${name} with a bad version`, name, CHANNEL, specOf("matrix", "")),
    changing(`${name} of what is not installed`, name, CHANNEL, specOf("matrix", "9")),
    changing(`${name} with too much`, name, CHANNEL, specOf("matrix", "1.0"), "", "", "", "", "x"),
    changing(`${name} with collections that are none`, name, CHANNEL, specOf("matrix", "1.0"), "", "", "", garbage)
  ]),
  changing("upgrade of what is not there", "upgrade", CHANNEL, specOf("matrix", "1.0")),

  cscc("without arguments"),
  cscc("nonsense", "nonsense", "x"),
  cscc("JoinChain without a block", "JoinChain"),
  cscc("JoinChain of garbage", "JoinChain", garbage),
  cscc("JoinChain of nothing", "JoinChain", ""),
  cscc("JoinChain of what was joined", "JoinChain", genesisBlock()),
  csccExact("GetConfigBlock", "GetConfigBlock", CHANNEL),
  cscc("GetConfigBlock without a channel", "GetConfigBlock"),
  cscc("GetConfigBlock of another channel", "GetConfigBlock", "elsewhere"),
  cscc("GetConfigTree", "GetConfigTree", CHANNEL), // Go writes its maps in any order
  cscc("GetConfigTree of another channel", "GetConfigTree", "elsewhere"),
  cscc("SimulateConfigTreeUpdate of garbage", "SimulateConfigTreeUpdate", CHANNEL, garbage),
  // an empty envelope ends Go's process
  cscc("SimulateConfigTreeUpdate of another channel", "SimulateConfigTreeUpdate", "elsewhere", garbage),
  csccExact("GetChannels", "GetChannels"),
  csccExact("GetChannels with more", "GetChannels", "x"),

  qscc("without arguments"),
  qscc("GetChainInfo alone", "GetChainInfo"),
  qscc("GetChainInfo", "GetChainInfo", CHANNEL),
  qscc("GetChainInfo of another channel", "GetChainInfo", "elsewhere"),
  ...["GetBlockByNumber", "GetBlockByHash", "GetTransactionByID", "GetBlockByTxID"].flatMap((name) => [
    qscc(`${name} alone`, name),
    qscc(`${name} without a value`, name, CHANNEL),
    qscc(`${name} of another channel`, name, "elsewhere", "1"),
    qscc(`${name} of nothing`, name, CHANNEL, "")
  ]),
  qscc("GetBlockByNumber 1", "GetBlockByNumber", CHANNEL, "1"),
  qscc("GetBlockByNumber too high", "GetBlockByNumber", CHANNEL, "4000"),
  qscc("GetBlockByNumber the last", "GetBlockByNumber", CHANNEL, "18446744073709551615"),
  qscc("GetBlockByNumber too large", "GetBlockByNumber", CHANNEL, "18446744073709551616"),
  qscc("GetBlockByNumber negative", "GetBlockByNumber", CHANNEL, "-1"),
  qscc("GetBlockByNumber of a word", "GetBlockByNumber", CHANNEL, "one"),
  qscc("GetBlockByHash", "GetBlockByHash", CHANNEL, blockHash),
  qscc("GetBlockByHash unknown", "GetBlockByHash", CHANNEL, "no hash"),
  qscc("GetTransactionByID", "GetTransactionByID", CHANNEL, txId),
  qscc("GetTransactionByID unknown", "GetTransactionByID", CHANNEL, "no id"),
  qscc("GetBlockByTxID", "GetBlockByTxID", CHANNEL, txId),
  qscc("GetBlockByTxID unknown", "GetBlockByTxID", CHANNEL, "no id"),
  qscc("nonsense", "nonsense", CHANNEL, "x"),
  qscc("nonsense alone", "nonsense"),
  of("escc", CHANNEL)("called", "x"),
  of("vscc", CHANNEL)("called", "x"),
  of("+lifecycle", CHANNEL)("called", "x"),
  of("nowhere", CHANNEL)("called", "x"),
  of("lscc", "elsewhere")("on a channel that is not joined", "getchaincodes")
]

/** What differs between two runs or two machines: ids, folders. */
const shown = (text: string, txId: string): string =>
  text
    .replaceAll(txId, "<the transaction>")
    .replace(/[0-9a-f]{64}/g, "<id>")
    .replace(/(open |chaincode )\/\S*\/chaincodes\//g, "$1<folder>/")

/** Asks everything of a peer that has the recorded chain; the answers by title and role. */
export const systemAnswers = (
  client: Channel,
  people: People,
  recorded: { readonly txId: string; readonly blockHash: Uint8Array }
): Effect.Effect<Readonly<Record<string, Readonly<Record<Role, string>>>>, never> =>
  Effect.gen(function* () {
    const found: Record<string, Record<Role, string>> = {}
    for (const { args, channelId, chaincode, exact, title } of cases(recorded.txId, recorded.blockHash)) {
      const ask = (role: Role) => {
        const call: Call = { chaincode, channelId, args }
        return propose(client, people[role], call).pipe(
          Effect.map(({ response }) => {
            const payload = response?.payload ?? new Uint8Array()
            const digest = createHash("sha256").update(payload).digest("hex").slice(0, 16)
            const answer = payload.length === 0 ? "" : exact ? `payload ${digest}` : "payload"
            return shown(`${response?.status} ${response?.message} ${answer}`.trim().replace(/ +$/, ""), recorded.txId)
          }),
          Effect.catchAllCause((cause) => Effect.succeed(shown(`refused: ${messageOf(cause)}`, recorded.txId)))
        )
      }
      found[title] = { stranger: yield* ask("stranger"), member: yield* ask("member"), admin: yield* ask("admin") }
    }
    return found
  })

const messageOf = (cause: { readonly toString: () => string }): string => {
  const text = String(cause)
  return /(?:access denied|chaincode |make sure|error )[^\n]*/.exec(text)?.[0] ?? text.split("\n")[0] ?? text
}

/** The client commands against an orderer and a peer in this process, over real connections: what scripts do, and see. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { common } from "../../../src/wire/index.js"
import { startNode } from "../../orderer/support/node.js"
import { runChaincode, sinkFolder } from "../node/chaincodes.js"
import { freePort } from "../node/process.js"
import { startPeer, tempFolder } from "../node/support.js"
import { chainA, userFolder } from "../support.js"
import { run } from "./support.js"

const CHANNEL = "mychannel"
const core = fileURLToPath(new URL("../../../config", import.meta.url))

const environment = (peer: string, org: "Org1MSP" | "Org2MSP", who: string) => ({
  FABRIC_CFG_PATH: core,
  FABRIC_LOGGING_FORMAT: "%{level} [%{module}] %{message}",
  CORE_PEER_ADDRESS: peer,
  CORE_PEER_LOCALMSPID: org,
  CORE_PEER_MSPCONFIGPATH: userFolder(org, who)
})

const ready = "INFO [channelCmd] Endorser and orderer connections initialized\n"
const plugins = "INFO [chaincodeCmd] Using default escc\nINFO [chaincodeCmd] Using default vscc\n"

it.scopedLive(
  "channel, logging and node commands",
  () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const orderer = yield* startNode({ folder: yield* tempFolder })
      const peer = yield* startPeer({ folder: yield* tempFolder, orderer: orderer.address })
      const cli = (who: string, ...argv: ReadonlyArray<string>) =>
        run(argv, environment(peer.address, "Org1MSP", who), folder)
      const o = ["-o", orderer.address, "-c", CHANNEL]
      const tx = join(chainA, "mychannel.tx")

      // create: the block is written to the working folder; a second one is refused with the reference's text
      const created = yield* cli("Admin", "channel", "create", ...o, "-f", tx)
      expect({ ...created, stderr: created.stderr.split("\n").at(-2) }).toEqual({
        status: 0,
        stdout: "",
        stderr: "INFO [cli.common] Received block: 0"
      })
      const twice = yield* cli("Admin", "channel", "create", ...o, "-f", tx)
      expect(twice.status).toBe(1)
      expect(twice.stderr).toBe(
        `${ready}Error: got unexpected status: BAD_REQUEST -- error applying config update to existing channel 'mychannel': error authorizing update: error validating ReadSet: proposed update requires that key [Group]  /Channel/Application be at version 0, but it is currently at version 1\n`
      )
      const other = yield* cli("Admin", "channel", "create", "-o", orderer.address, "-c", "other", "-f", tx)
      expect(other.stderr).toContain(
        "Error: Invalid channel create transaction : mismatched channel ID mychannel != other\n"
      )

      // why: who signed a creation
      const explained = yield* cli("Admin", "channel", "create", ...o, "-f", tx, "--explain")
      expect(explained.stderr).toMatch(
        /Error: got unexpected status: BAD_REQUEST -- .*\nasked by Org1MSP .*CN=Admin@org1\.example\.com\nthe update has 1 signature\(s\):\n {2}0: Org1MSP .*\n$/
      )

      // join, list, getinfo
      const join1 = yield* cli("Admin", "channel", "join", "-b", "mychannel.block")
      expect(join1).toEqual({
        status: 0,
        stdout: "",
        stderr: `${ready}INFO [channelCmd] Successfully submitted proposal to join channel\n`
      })
      const join2 = yield* cli("Admin", "channel", "join", "-b", "mychannel.block")
      expect(join2.status).toBe(1)
      expect(join2.stderr).toContain(
        "Error: proposal failed (err: bad proposal response 500: cannot create ledger from genesis block: LedgerID already exists)\n"
      )
      expect(yield* cli("User1", "channel", "list")).toEqual({
        status: 0,
        stdout: "Channels peers has joined: \nmychannel\n",
        stderr: ready
      })
      const info = yield* cli("User1", "channel", "getinfo", "-c", CHANNEL)
      expect(info.stdout).toMatch(/^Blockchain info: \{"height":1,"currentBlockHash":"[A-Za-z0-9+/]{43}="\}\n$/)
      expect((yield* cli("User1", "channel", "getinfo", "-c", "none")).stderr).toContain(
        "Error: received bad response, status 500: Invalid chain ID, none\n"
      )

      // an update, signed by one more on the way
      const anchors = join(folder, "anchors.tx")
      writeFileSync(anchors, readFileSync(join(chainA, "anchors1.tx")))
      expect((yield* cli("Admin", "channel", "signconfigtx", "-f", "anchors.tx")).status).toBe(0)
      const payload = common.Payload.decode(common.Envelope.decode(readFileSync(anchors)).payload)
      expect(common.ConfigUpdateEnvelope.decode(payload.data).signatures.length).toBe(1)
      const updated = yield* cli("Admin", "channel", "update", ...o, "-f", "anchors.tx")
      expect(updated).toEqual({
        status: 0,
        stdout: "",
        stderr: `${ready}INFO [channelCmd] Successfully submitted channel update\n`
      })
      yield* peer.table.get(CHANNEL)?.pipeline.reached(2n) ?? Effect.die("not joined")

      // why: which policy, and what the signer lacks
      writeFileSync(anchors, readFileSync(join(chainA, "anchors2.tx")))
      const listed = yield* cli("User1", "channel", "signconfigtx", "-f", "anchors.tx", "--explain")
      expect(listed.stderr).toMatch(/the update has 1 signature\(s\):\n {2}0: Org1MSP .*CN=User1@org1\.example\.com\n$/)
      const refused = yield* cli("Admin", "channel", "update", ...o, "-f", "anchors.tx", "--explain")
      expect(refused.status).toBe(1)
      expect(refused.stderr).toMatch(
        /\nError: got unexpected status: BAD_REQUEST -- .*policy for \[Group\] {2}\/Channel\/Application\/Org2MSP not satisfied.*\nasked by Org1MSP /
      )
      expect(refused.stderr).toMatch(
        /\npolicy for \[Group\] {2}\/Channel\/Application\/Org2MSP is not satisfied:\n {2}FAILED \/Channel\/Application\/Org2MSP\/Admins: OR\('Org2MSP\.admin'\).*\n {4}FAILED 'Org2MSP\.admin' - signer 0: .*\n {2}signer 0: Org1MSP .*CN=User1.*\n {2}signer 1: Org1MSP .*CN=Admin@.*\n$/
      )
      const silent = yield* cli("Admin", "channel", "update", ...o, "-f", "anchors.tx")
      expect(silent.stderr.trimEnd().split("\n").at(-1)).toMatch(/^Error: got unexpected status: BAD_REQUEST/)

      // fetch: from the orderer and from the peer
      const fetched = yield* cli("User1", "channel", "fetch", "config", "a.block", ...o)
      expect(fetched.stderr).toBe(
        `${ready}INFO [cli.common] Received block: 1\nINFO [cli.common] Received block: 1\nINFO [channelCmd] Retrieving last config block: 1\n`
      )
      expect((yield* cli("User1", "channel", "fetch", "newest", "-c", CHANNEL)).status).toBe(0)
      const blocks = ["a.block", "mychannel_newest.block"].map((name) =>
        common.Block.decode(readFileSync(join(folder, name)))
      )
      expect(blocks[0]?.header?.number).toBe(1n)
      expect(blocks[0]?.data).toEqual(blocks[1]?.data)
      const beyond = yield* cli("User1", "channel", "fetch", "99", ...o)
      expect(beyond.stderr).toBe(
        `${ready}INFO [cli.common] Got status: &{NOT_FOUND}\nError: can't read the block: &{NOT_FOUND}\n`
      )
      expect((yield* cli("User1", "channel", "fetch", "x", ...o)).stderr).toBe(
        `${ready}Error: fetch target illegal: x\n`
      )

      // the Admin service, for admins
      expect(yield* cli("Admin", "node", "status")).toEqual({ status: 0, stdout: "status:STARTED \n", stderr: "" })
      const stranger = yield* cli("User1", "node", "status")
      expect({ ...stranger, stderr: stranger.stderr.split("\n").at(-2) }).toEqual({
        status: 1,
        stdout: "status:UNKNOWN \n",
        stderr: "Error: Error trying to connect to local peer: rpc error: code = Unknown desc = access denied"
      })
      const said = (...argv: ReadonlyArray<string>) =>
        Effect.map(cli("Admin", "logging", ...argv), ({ stderr }) => stderr)
      expect(yield* said("getlogspec")).toBe("INFO [cli.logging] Current logging spec: info\n")
      expect(yield* said("setlevel", "gossip", "debug")).toBe(
        "INFO [cli.logging] Log level set for logger name/prefix 'gossip': DEBUG\n"
      )
      expect(yield* said("getlevel", "gossip")).toBe(
        "INFO [cli.logging] Current log level for logger 'gossip': DEBUG\n"
      )
      expect(yield* said("setlogspec", "foo")).toBe("Error: invalid logging specification 'foo': bad segment 'foo'\n")
      expect(yield* said("setlogspec", "error:gossip=info")).toContain("Current logging spec set to: ")
      expect(yield* said("revertlevels")).toBe(
        "INFO [cli.logging] Logging spec reverted to the peer's spec at startup.\n"
      )
      expect(yield* said("setlevel", "gossip", "foo")).toContain("Error: invalid log level provided - foo\nUsage:\n")

      // nobody there
      const down = yield* run(["channel", "list"], environment("127.0.0.1:1", "Org1MSP", "Admin"), folder)
      expect(down.status).toBe(1)
      expect(down.stderr).toBe(
        'Error: error getting endorser client for channel: endorser client failed to connect to 127.0.0.1:1: failed to create new connection: connection error: desc = "transport: error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"\n'
      )
      const portless = yield* run(["channel", "list"], environment("127.0.0.1", "Org1MSP", "Admin"), folder)
      expect(portless.stderr).toContain(
        'desc = "transport: error while dialing: dial tcp: address 127.0.0.1: missing port in address"\n'
      )
      const nobody = yield* run(
        ["channel", "list"],
        { ...environment(peer.address, "Org1MSP", "Admin"), CORE_PEER_MSPCONFIGPATH: "/nope" },
        folder
      )
      expect(nobody.stderr).toBe(
        'ERROR [main] Cannot run peer because cannot init crypto, folder "/nope" does not exist\n'
      )
    }),
  120_000
)

it.scopedLive.skipIf(sinkFolder === undefined)(
  "chaincode commands (needs ../shared/chaincode/sink)",
  () =>
    Effect.gen(function* () {
      if (sinkFolder === undefined) return
      const folder = yield* tempFolder
      const orderer = yield* startNode({ folder: yield* tempFolder })
      const peer = yield* startPeer({
        folder: yield* tempFolder,
        orderer: orderer.address,
        environment: { CORE_CHAINCODE_MODE: "dev" }
      })
      const cli = (who: string, ...argv: ReadonlyArray<string>) =>
        run(argv, environment(peer.address, "Org1MSP", who), folder)
      const o = ["-o", orderer.address]
      const on = [...o, "-C", CHANNEL, "-n", "sink"]
      const tx = join(chainA, "mychannel.tx")
      const late = yield* cli("Admin", "channel", "create", ...o, "-c", CHANNEL, "-f", tx, "-t", "1ns")
      expect(late.stderr.trimEnd().split("\n").at(-1)).toBe("Error: timeout waiting for channel creation")
      const here = ["here.block", ...o, "-c", CHANNEL, "--bestEffort"]
      while ((yield* cli("Admin", "channel", "fetch", "oldest", ...here)).status !== 0) yield* Effect.sleep("10 millis")
      expect((yield* cli("Admin", "channel", "join", "--blockpath", "here.block")).status).toBe(0)

      // packages: from the folder, signed by two, installed
      const owners = ["-i", "OR('Org1MSP.admin','Org2MSP.admin')"]
      const of = ["-l", "node", "-n", "sink", "-v", "1.0", "-p", sinkFolder]
      expect(yield* cli("Admin", "chaincode", "package", ...of, "-s", "-S", ...owners, "one.pkg")).toEqual({
        status: 0,
        stdout: "",
        stderr: plugins
      })
      const org2 = environment(peer.address, "Org2MSP", "Admin")
      expect(yield* run(["chaincode", "signpackage", "one.pkg", "two.pkg"], org2, folder)).toEqual({
        status: 0,
        stdout: "Wrote signed package to two.pkg successfully\n",
        stderr: ""
      })
      expect((yield* cli("Admin", "chaincode", "install", "two.pkg", "-n", "other")).stderr).toBe(
        "Error: chaincode name other does not match name sink in package\n"
      )
      const installed = 'INFO [chaincodeCmd] Installed remotely response:<status:200 payload:"OK" > \n'
      expect(yield* cli("Admin", "chaincode", "install", ...of)).toEqual({
        status: 0,
        stdout: "",
        stderr: `${plugins}${installed}`
      })
      const again = yield* cli("Admin", "chaincode", "install", ...of)
      expect(again.stderr).toMatch(
        /Error: Bad response: 500 - error installing chaincode code sink:1\.0\(chaincode .*sink\.1\.0 exists\)\n$/
      )
      const listed = yield* cli("Admin", "chaincode", "list", "--installed")
      expect(listed.stdout).toMatch(
        /^Get installed chaincodes on peer:\nName: sink, Version: 1\.0, Path: .*sink, Id: [0-9a-f]{64}\n$/
      )

      // on the channel
      yield* runChaincode(peer, "sink:1.0", sinkFolder)
      const unknown = yield* cli("User1", "chaincode", "query", "-C", CHANNEL, "-n", "sink", "-c", '{"Args":["noop"]}')
      expect(unknown.stderr).toBe(
        'Error: endorsement failure during query. response: status:500 message:"make sure the chaincode sink has been successfully instantiated and try again: chaincode sink not found" \n'
      )
      const deploy = ["-v", "1.0", "-l", "node", "-c", '{"Args":["init"]}', "-P", "OR('Org1MSP.member')"]
      const collections = join(sinkFolder, "collections.json")
      const all = [...on, ...deploy, "--collections-config", collections]
      expect(yield* cli("Admin", "chaincode", "instantiate", ...all)).toEqual({
        status: 0,
        stdout: "",
        stderr: plugins
      })
      yield* peer.table.get(CHANNEL)?.pipeline.reached(2n) ?? Effect.die("not joined")
      expect((yield* cli("Admin", "chaincode", "instantiate", ...all)).stderr).toContain(
        "Error: could not assemble transaction, err proposal response was not successful, error code 500, msg chaincode with name 'sink' already exists\n"
      )
      expect((yield* cli("Admin", "chaincode", "upgrade", ...all)).stderr).toContain(
        "msg version already exists for chaincode with name 'sink'\n"
      )
      expect((yield* cli("Admin", "chaincode", "list", "--instantiated", "-C", CHANNEL)).stdout).toBe(
        `Get instantiated chaincodes on channel mychannel:\nName: sink, Version: 1.0, Path: ${sinkFolder}, Escc: escc, Vscc: vscc\n`
      )

      const put = ["-c", '{"Function":"put","Args":["k","v\u00e9"]}', "--waitForEvent"]
      const invoked = yield* cli("User1", "chaincode", "invoke", ...on, ...put, "--peerAddresses", peer.address)
      expect(invoked).toMatchObject({ status: 0, stdout: "" })
      expect(invoked.stderr).toMatch(
        /^INFO \[chaincodeCmd\] txid \[[0-9a-f]{64}\] committed with status \(VALID\) at 127\.0\.0\.1:\d+\nINFO \[chaincodeCmd\] Chaincode invoke successful\. result: status:200 payload:"k" \n$/
      )
      const hasty = yield* cli("User1", "chaincode", "invoke", ...on, ...put, "--waitForEventTimeout", "1ns")
      expect(hasty.stderr).toMatch(/^Error: timed out waiting for txid on all peers - proposal response: <nil>\n$/)
      const profile = join(folder, "profile.yaml")
      writeFileSync(
        profile,
        `channels: {${CHANNEL}: {peers: {p: {endorsingPeer: true}}}}\npeers: {p: {url: "grpc://${peer.address}"}}\n`
      )
      const byProfile = yield* cli("User1", "chaincode", "invoke", ...on, ...put, "--connectionProfile", profile)
      expect(byProfile.stderr).toContain(`committed with status (VALID) at ${peer.address}\n`)
      const get = ["chaincode", "query", "-C", CHANNEL, "-n", "sink", "-c", '{"Args":["get","k"]}']
      expect((yield* cli("User1", ...get)).stdout).toBe("v\u00e9\n")
      expect((yield* cli("User1", ...get, "-x")).stdout).toBe("76c3a9\n")
      expect((yield* cli("User1", ...get, "-r")).stdout).toBe("[118 195 169]\n")
      expect((yield* cli("User1", ...get, "-rx")).stderr).toBe(
        "Error: options --raw (-r) and --hex (-x) are not compatible\n"
      )
      const secret = ["-c", '{"Args":["ppriv","collA","p"]}', "--transient", '{"v":"c2VjcmV0"}', "--waitForEvent"]
      expect((yield* cli("User1", "chaincode", "invoke", ...on, ...secret)).status).toBe(0)
      expect(
        (yield* cli("User1", "chaincode", "query", "-C", CHANNEL, "-n", "sink", "-c", '{"Args":["gpriv","collA","p"]}'))
          .stdout
      ).toBe("secret\n")
      expect((yield* cli("User1", "chaincode", "invoke", ...on, "-c", '{"Args":["fail","boom"]}')).stderr).toBe(
        'Error: endorsement failure during invoke. response: status:500 message:"boom" \n'
      )
      // plugins by name
      const plugged = yield* cli("Admin", "chaincode", "upgrade", ...all, "-E", "escc", "-V", "vscc")
      expect(plugged.stderr).toMatch(
        /^INFO \[chaincodeCmd\] Using escc escc\nINFO \[chaincodeCmd\] Using vscc vscc\nError: could not assemble transaction, err /
      )

      // why: what a stranger lacks, what is allowed; nothing where all is well
      const stranger = yield* run(
        ["chaincode", "query", "-C", CHANNEL, "-n", "sink", "-c", '{"Args":["noop"]}', "--explain"],
        {
          ...environment(peer.address, "Org1MSP", "Admin"),
          CORE_PEER_LOCALMSPID: "OrdererMSP",
          CORE_PEER_MSPCONFIGPATH: userFolder("OrdererMSP", "Admin")
        },
        folder
      )
      expect(stranger.stderr).toMatch(
        /^Error: error endorsing query: .*\nasked by OrdererMSP .*\nno explanation can be had: /
      )
      const twice = yield* cli("Admin", "chaincode", "upgrade", ...all, "--explain")
      expect(twice.stderr).toMatch(
        /Error: could not assemble.*\nasked by Org1MSP .*\nproposals \(peer\/Propose\): allowed\n {2}ok {5}\/Channel\/Application\/Writers: ANY Writers\n[\s\S]*transactions to the orderer: allowed\n/
      )
      const fine = yield* cli("User1", "chaincode", "invoke", ...on, "-c", '{"Args":["noop"]}', "--explain")
      expect([fine.status, fine.stderr.includes("FAILED")]).toEqual([0, false])

      // two that read the same version: one is committed and not valid, and the peer is asked why
      const told = { ...environment(peer.address, "Org1MSP", "User1"), CORE_OPERATIONS_LISTENADDRESS: peer.operations }
      const rmw = ["chaincode", "invoke", ...on, "-c", '{"Args":["rmw","counter","1"]}', "--waitForEvent"]
      const pair = (env: Readonly<Record<string, string>>, ...more: ReadonlyArray<string>) =>
        Effect.repeat(
          Effect.all([run([...rmw, ...more], env, folder), run([...rmw, ...more], env, folder)], { concurrency: 2 }),
          {
            until: (outcomes) => outcomes.some(({ stderr }) => stderr.includes("(MVCC_READ_CONFLICT)"))
          }
        )
      expect((yield* run(rmw, told, folder)).status).toBe(0)
      const lostOf = (outcomes: ReadonlyArray<{ readonly stderr: string }>) =>
        outcomes.map(({ stderr }) => stderr).find((stderr) => stderr.includes("(MVCC_READ_CONFLICT)")) ?? ""
      expect(lostOf(yield* pair(told, "--explain"))).toMatch(
        /committed with status \(MVCC_READ_CONFLICT\) at .*\n127\.0\.0\.1:\d+ tells:\n {2}in channel mychannel: MVCC_READ_CONFLICT, transaction \d+ of block \d+\n {2}refused by check "read conflict" \(MVCC_READ_CONFLICT\).*\n(?: {4}.*\n)* {4}namespace sink, key "counter"\n {4}expected version \d+:\d+, found (?:version \d+:\d+|written by an earlier transaction of the block)\nINFO \[chaincodeCmd\] Chaincode invoke successful/
      )
      // who cannot be asked is told; nothing of all this without the flag
      const closed = yield* freePort
      const refusing = { ...told, CORE_OPERATIONS_LISTENADDRESS: `127.0.0.1:${closed}` }
      expect(lostOf(yield* pair(refusing, "--explain"))).toMatch(
        /\nthe peer cannot be asked why: 127\.0\.0\.1:\d+ cannot be asked: .*ECONNREFUSED.*\nthe peer's log has the cause/
      )
      const unnamed = { ...told, CORE_OPERATIONS_LISTENADDRESS: "127.0.0.1:0" }
      expect(lostOf(yield* pair(unnamed, "--explain"))).toContain(
        "\nthe peer cannot be asked why: operations.listenAddress"
      )
      const silent = lostOf(yield* pair(told))
      expect(silent.trimEnd().split("\n")).toHaveLength(2)

      // without -o the orderer is looked up in the channel's configuration: there, nobody answers in this test
      const looked = yield* cli("User1", "chaincode", "invoke", ...on.slice(2), "-c", '{"Args":["noop"]}')
      expect(looked.stderr).toContain(
        "INFO [chaincodeCmd] Retrieved channel (mychannel) orderer endpoint: 127.0.0.1:7050\n"
      )
    }),
  120_000
)

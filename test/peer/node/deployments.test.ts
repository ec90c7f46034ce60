/** Instantiations that end in the endorser, behind what lscc and the chaincode have said: peer-endorse-validate.md rules 11, 12. */
import { writeFileSync } from "node:fs"
import { join as joinPath } from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { broadcast, endorse, fetchBlock, ordererBlocks, system } from "../../../src/client/index.js"
import { common } from "../../../src/wire/index.js"
import { utf8 } from "../../../src/wire/protoutil.js"
import { createMychannel, startNode } from "../../orderer/support/node.js"
import { person } from "../support.js"
import { join, propose, statusOf } from "./calls.js"
import { packageOf, runChaincode, sinkFolder } from "./chaincodes.js"
import { startPeer, tempFolder } from "./support.js"

const CHANNEL = "mychannel"

it.scopedLive.skipIf(sinkFolder === undefined)(
  "write no private data and make no system chaincode (needs ../shared/chaincode/sink)",
  () =>
    Effect.gen(function* () {
      if (sinkFolder === undefined) return
      const admin = yield* Effect.promise(() => person("Org1MSP", "Admin"))
      const orderer = yield* startNode({ folder: yield* tempFolder })
      yield* createMychannel(orderer)
      const genesis = yield* fetchBlock(
        orderer.client,
        { channelId: CHANNEL, signer: admin, seek: { start: "oldest", stop: "oldest" } },
        ordererBlocks
      )
      const folder = yield* tempFolder
      const peer = yield* startPeer({
        folder,
        orderer: orderer.address,
        environment: { CORE_CHAINCODE_MODE: "dev" }
      })
      const client = yield* peer.connect()
      expect(statusOf(yield* join(client, admin, genesis))).toBe("200")
      const pack = packageOf("sink", "1.0", sinkFolder)
      expect(statusOf(yield* propose(client, admin, system.install(pack)))).toBe("200")
      expect(statusOf(yield* propose(client, admin, system.install(packageOf("other", "1.0", sinkFolder))))).toBe("200")
      yield* runChaincode(peer, "sink:1.0", sinkFolder)
      yield* runChaincode(peer, "other:1.0", sinkFolder)

      const policy = common.SignaturePolicyEnvelope.create({
        rule: { signedBy: 0 },
        identities: [
          { principal: common.MSPRole.encode({ mspIdentifier: "Org1MSP", role: common.MSPRole_MSPRoleType.MEMBER }) }
        ]
      })
      const collections = common.CollectionConfigPackage.encode({
        config: [{ staticCollectionConfig: { name: "collA", memberOrgsPolicy: { signaturePolicy: policy } } }]
      })
      const deployed = yield* endorse([client], {
        channelId: CHANNEL,
        signer: admin,
        ...system.deploy("deploy", { channelId: CHANNEL, spec: pack, collections })
      })
      yield* broadcast(orderer.client, deployed.envelope)
      yield* peer.table.get(CHANNEL)?.pipeline.reached(2n) ?? Effect.die("not joined")

      // Init may not write private data itself (its answer counts for nothing), but what it calls may: there the
      // endorser has the last word
      const instantiate = (name: string, ...args: ReadonlyArray<string>) =>
        Effect.map(
          propose(client, admin, {
            channelId: CHANNEL,
            transient: new Map([["v", utf8("secret")]]),
            ...system.deploy("deploy", { channelId: CHANNEL, spec: packageOf(name, "1.0", sinkFolder ?? "", args) })
          }),
          statusOf
        )
      expect(yield* instantiate("other", "ppriv", "collA", "k")).toBe("200")
      expect(yield* instantiate("other", "call", "sink", CHANNEL, "ppriv", "collA", "k")).toBe(
        "500 Private data is forbidden to be used in instantiate"
      )
      expect(yield* instantiate("other", "call", "sink", CHANNEL, "put", "k", "v")).toBe("200")

      // lscc installs nothing under a system chaincode's name; a package that somebody has laid there stops at the endorser
      for (const name of ["lscc", "cscc", "qscc"]) {
        const own = packageOf(name, "1.0", sinkFolder)
        expect(statusOf(yield* propose(client, admin, system.install(own)))).toMatch(/^500 cannot install: /)
        writeFileSync(joinPath(folder, "chaincodes", `${name}.1.0`), own)
        expect(yield* instantiate(name, "init")).toBe(`500 attempting to deploy a system chaincode ${name}/${CHANNEL}`)
      }
    }),
  60_000
)

/** The version of the system chaincodes, which enters what is endorsed. */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { system } from "../../../src/client/index.js"
import { protos } from "../../../src/wire/index.js"
import { genesisBlock, person } from "../support.js"
import { join, propose } from "./calls.js"
import { type PeerOptions, startPeer, tempFolder } from "./support.js"

/** The chaincode id in an endorsed answer of qscc. */
const endorsedVersion = (options: Omit<PeerOptions, "folder">) =>
  Effect.gen(function* () {
    const peer = yield* startPeer({ folder: yield* tempFolder, ...options })
    const admin = yield* Effect.promise(() => person("Org1MSP", "Admin"))
    const client = yield* peer.connect()
    yield* join(client, admin, genesisBlock())
    const { payload } = yield* propose(client, admin, { ...system.getChainInfo("mychannel"), channelId: "mychannel" })
    const { extension } = protos.ProposalResponsePayload.decode(payload)
    return protos.ChaincodeAction.decode(extension).chaincodeId
  })

it.scopedLive("is that of the compatible release unless it is set", () =>
  Effect.gen(function* () {
    expect(yield* endorsedVersion({})).toMatchObject({ name: "qscc", version: "1.4.12" })
    const environment = { CORE_CHAINCODE_SYSTEMVERSION: "1.4.9" }
    expect(yield* endorsedVersion({ environment })).toMatchObject({ name: "qscc", version: "1.4.9" })
  })
)

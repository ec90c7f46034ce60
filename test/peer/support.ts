/** The recorded network's people and channel, and calls made in their name. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Bundle } from "../../src/channelconfig/index.js"
import { makeProposal, type Proposal, type ProposalParts } from "../../src/client/index.js"
import { type LocalMspService, loadLocalMsp, type Signer } from "../../src/msp/index.js"
import { common, protos } from "../../src/wire/index.js"

export const chainA = fileURLToPath(new URL("../vectors/chain-a/", import.meta.url))
export const bytesOf = (path: string): Uint8Array => readFileSync(join(chainA, path))
export const blockName = (number: number): string => `${String(number).padStart(6, "0")}.block`

type OrgMsp = "Org1MSP" | "Org2MSP" | "OrdererMSP"

const orgFolder = (mspId: OrgMsp): string =>
  mspId === "OrdererMSP"
    ? "ordererOrganizations/example.com"
    : `peerOrganizations/${mspId === "Org1MSP" ? "org1" : "org2"}.example.com`
const domainOf = (mspId: OrgMsp): string => orgFolder(mspId).split("/")[1] ?? ""

/** MSP folder of a user of the recorded network. */
export const userFolder = (mspId: OrgMsp, who: string): string =>
  join(chainA, "crypto-config", orgFolder(mspId), "users", `${who}@${domainOf(mspId)}`, "msp")
/** Folder of a node of it: `msp` and `tls` below. */
export const nodeFolder = (mspId: OrgMsp, node: string): string =>
  join(
    chainA,
    "crypto-config",
    orgFolder(mspId),
    mspId === "OrdererMSP" ? "orderers" : "peers",
    `${node}.${domainOf(mspId)}`
  )

export const mspOf = (mspId: OrgMsp, dir: string): Promise<LocalMspService> =>
  Effect.runPromise(loadLocalMsp({ dir, mspId, type: "bccsp" }))

/** Someone of the recorded network: `Admin`, `User1`. */
export const person = async (mspId: OrgMsp, who: string): Promise<Signer> =>
  (await mspOf(mspId, userFolder(mspId, who))).signer

export const genesisBlock = (): Uint8Array => bytesOf(`blocks/${blockName(0)}`)

/** The configuration of the recorded channel at its beginning. */
export const firstBundle = (): Bundle =>
  Either.getOrThrow(Bundle.fromBlock(common.Block.decode(bytesOf(`blocks/${blockName(0)}`))))

let counter = 0
/** A proposal with a fresh nonce. */
export const proposal = (parts: Omit<ProposalParts, "now" | "nonce">): Proposal =>
  makeProposal({ ...parts, now: Date.now(), nonce: Buffer.from(`nonce ${counter++}`.padEnd(24)) })

export const signedProposal = (parts: Omit<ProposalParts, "now" | "nonce">): protos.SignedProposal =>
  protos.SignedProposal.decode(proposal(parts).signed)

/** `ok`, or the error's text. */
export const outcome = (either: Either.Either<unknown, { readonly message: string }>): string =>
  Either.match(either, { onLeft: (error) => error.message, onRight: () => "ok" })

/** Waits for a condition; the test's own time limit ends a wait without hope. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.zipRight(Effect.sleep("3 millis"), until(holds))))

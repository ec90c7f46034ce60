/** The recorded chain (test/vectors/chain-a), its people, and envelopes made in their name. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Bundle } from "../../src/channelconfig/index.js"
import { loadLocalMsp, type Signer } from "../../src/msp/index.js"
import { concatBytes } from "../../src/wire/bytes.js"
import { common } from "../../src/wire/index.js"
import { makePayload } from "../../src/wire/protoutil.js"

export const chainA = fileURLToPath(new URL("../vectors/chain-a/", import.meta.url))
export const bytesOf = (path: string): Uint8Array => readFileSync(join(chainA, path))

/** The blocks of a recorded chain, in order. */
export const blocksOf = (folder: string): ReadonlyArray<common.Block> =>
  readdirSync(join(chainA, folder))
    .filter((name) => name.endsWith(".block"))
    .sort()
    .map((name) => common.Block.decode(bytesOf(join(folder, name))))

const domains = { Org1MSP: "org1", Org2MSP: "org2" } as const
const folderOf = (mspId: keyof typeof domains | "OrdererMSP", who: string): string =>
  mspId === "OrdererMSP"
    ? join(chainA, `crypto-config/ordererOrganizations/example.com/users/${who}@example.com/msp`)
    : join(
        chainA,
        `crypto-config/peerOrganizations/${domains[mspId]}.example.com/users/${who}@${domains[mspId]}.example.com/msp`
      )

/** Someone of the recorded network, such as Org1MSP's Admin or User1. */
export const person = async (mspId: keyof typeof domains | "OrdererMSP", who: string): Promise<Signer> =>
  (await Effect.runPromise(loadLocalMsp({ dir: folderOf(mspId, who), mspId, type: "bccsp" }))).signer

let nonce = 0
const signatureHeader = (signer: Signer): Uint8Array =>
  common.SignatureHeader.encode({ creator: signer.serialized, nonce: Buffer.from(`nonce ${nonce++}`.padEnd(24)) })

/** A signature over a config update, as `peer channel signconfigtx` adds them. */
export const configSignature = (signer: Signer, configUpdate: Uint8Array) => {
  const header = signatureHeader(signer)
  return { signatureHeader: header, signature: signer.sign(concatBytes(header, configUpdate)) }
}

/** A CONFIG_UPDATE envelope signed by these people; the outer signature, which nobody looks at here, is left out. */
export const updateEnvelope = (
  channelId: string,
  configUpdate: Uint8Array,
  signers: ReadonlyArray<Signer>,
  type: number = common.HeaderType.CONFIG_UPDATE
): common.Envelope =>
  common.Envelope.create({
    payload: makePayload(
      { type, channelId },
      {},
      common.ConfigUpdateEnvelope.encode({
        configUpdate,
        signatures: signers.map((signer) => configSignature(signer, configUpdate))
      })
    )
  })

/** The CONFIG envelope in a block's first entry; undefined when it is of another type. */
export const configEnvelopeOf = (block: common.Block): common.ConfigEnvelope | undefined => {
  const payload = common.Payload.decode(common.Envelope.decode(block.data?.data[0] ?? new Uint8Array()).payload)
  const header = common.ChannelHeader.decode(payload.header?.channelHeader ?? new Uint8Array())
  return header.type === common.HeaderType.CONFIG ? common.ConfigEnvelope.decode(payload.data) : undefined
}

export const bundleOf = (block: common.Block | undefined): Bundle => {
  if (block === undefined) throw new Error("no such block")
  return Either.getOrThrow(Bundle.fromBlock(block))
}

/** `ok`, or the error's text. */
export const outcome = (either: Either.Either<unknown, { readonly message: string }>): string =>
  Either.match(either, { onLeft: (error) => error.message, onRight: () => "ok" })

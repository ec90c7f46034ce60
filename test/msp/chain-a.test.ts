/** The recorded network's material: every MSP folder loads, every signature of its chain holds. */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { hex } from "../../src/crypto/der.js"
import { type LocalMspService, loadLocalMsp, MspCollector, verifyingMspConfig } from "../../src/msp/index.js"
import { common, msp, protos } from "../../src/wire/index.js"
import { role, textOf } from "./support.js"

const root = fileURLToPath(new URL("../vectors/chain-a/crypto-config/", import.meta.url))
const orgs = [
  { mspId: "OrdererMSP", folder: "ordererOrganizations/example.com", nodes: "orderers", nodeOus: false },
  { mspId: "Org1MSP", folder: "peerOrganizations/org1.example.com", nodes: "peers", nodeOus: true },
  { mspId: "Org2MSP", folder: "peerOrganizations/org2.example.com", nodes: "peers", nodeOus: true }
] as const

const load = (dir: string, mspId: string): Promise<LocalMspService> =>
  Effect.runPromise(loadLocalMsp({ dir, mspId, bccsp: { default: "SW", sw: { hash: "SHA2", security: 256 } } }))

const verdicts = (local: LocalMspService) =>
  (["MEMBER", "ADMIN", "CLIENT", "PEER", "ORDERER"] as const).filter((name) =>
    Either.isRight(local.msp.satisfiesPrincipal(local.signer.identity, role(name, local.msp.mspId)))
  )

describe.each(orgs)("$mspId", ({ folder, mspId, nodeOus, nodes }) => {
  it.each(readdirSync(`${root}${folder}/${nodes}`))("%s loads, signs and verifies", async (node) => {
    const local = await load(`${root}${folder}/${nodes}/${node}/msp`, mspId)
    const { msp: own, signer } = local
    const identity = Either.getOrThrow(own.deserializeIdentity(signer.serialized))
    expect(Either.isRight(own.validate(identity))).toBe(true)
    const message = Buffer.from("message")
    expect(identity.verify(message, signer.sign(message))).toBe(true)
    expect(await identity.verifyAsync(message, await signer.signAsync(message))).toBe(true)
    expect(verdicts(local)).toEqual(nodeOus ? ["MEMBER", "PEER"] : ["MEMBER"])
    expect(local.defaults).toEqual({ hash: "SHA256", curve: "P-256" })
  })

  it.each(readdirSync(`${root}${folder}/users`))("user %s has its role", async (user) => {
    const local = await load(`${root}${folder}/users/${user}/msp`, mspId)
    const admin = user.startsWith("Admin")
    expect(verdicts(local)).toEqual(admin ? ["MEMBER", "ADMIN"] : nodeOus ? ["MEMBER", "CLIENT"] : ["MEMBER"])
  })

  it("gives the MSPConfig of its organization", () => {
    const config = Either.getOrThrow(verifyingMspConfig(`${root}${folder}/msp`, mspId))
    expect(config.type).toBe(0)
    const decoded = msp.FabricMSPConfig.decode(config.config)
    expect([decoded.name, decoded.rootCerts.length, decoded.tlsRootCerts.length]).toEqual([mspId, 1, 1])
    expect(decoded.signingIdentity).toBeUndefined()
    expect(decoded.fabricNodeOus?.enable ?? false).toBe(nodeOus)
  })
})

/** The actions of a transaction; none where the recorded chain has one that does not parse. */
const actionsOf = (transaction: Uint8Array) => {
  try {
    return protos.Transaction.decode(transaction).actions
  } catch {
    return []
  }
}

describe("the genesis block", () => {
  const block = common.Block.decode(readFileSync(new URL("../vectors/chain-a/blocks/000000.block", import.meta.url)))
  const envelope = common.Envelope.decode(block.data?.data[0] ?? new Uint8Array())
  const config = common.ConfigEnvelope.decode(common.Payload.decode(envelope.payload).data).config
  const orgsOf = (section: string) => [...(config?.channelGroup?.groups.get(section)?.groups.values() ?? [])]

  it("holds the MSP bytes that our folder reader makes", () => {
    const inBlock = new Map(
      [...orgsOf("Application"), ...orgsOf("Orderer")].map((group) => {
        const value = msp.MSPConfig.decode(group.values.get("MSP")?.value ?? new Uint8Array())
        return [msp.FabricMSPConfig.decode(value.config).name, hex(value.config)]
      })
    )
    expect(inBlock.size).toBe(3)
    for (const { folder, mspId } of orgs) {
      const own = Either.getOrThrow(verifyingMspConfig(`${root}${folder}/msp`, mspId))
      expect(inBlock.get(mspId)).toBe(hex(own.config))
    }
  })

  it("gives a manager under which every endorsement of the chain verifies", () => {
    const collector = new MspCollector({ version: "1.4.3" })
    for (const group of [...orgsOf("Orderer"), ...orgsOf("Application")]) {
      const value = msp.MSPConfig.decode(group.values.get("MSP")?.value ?? new Uint8Array())
      expect(textOf(collector.propose(value))).toBe("")
      expect(textOf(collector.propose(value))).toBe("")
    }
    const manager = collector.manager()
    expect([...manager.msps.keys()].sort()).toEqual(["OrdererMSP", "Org1MSP", "Org2MSP"])
    let envelopes = 0
    let endorsements = 0
    for (const name of readdirSync(new URL("../vectors/chain-a/blocks", import.meta.url))) {
      const blockBytes = readFileSync(new URL(`../vectors/chain-a/blocks/${name}`, import.meta.url))
      for (const data of common.Block.decode(blockBytes).data?.data ?? []) {
        const { payload, signature } = common.Envelope.decode(data)
        const { data: inner, header } = common.Payload.decode(payload)
        if (header === undefined || signature.length === 0) continue
        const { creator } = common.SignatureHeader.decode(header.signatureHeader)
        const identity = manager.deserializeIdentity(creator)
        if (Either.isLeft(identity)) continue
        if (identity.right.verify(payload, signature)) envelopes++
        const { type } = common.ChannelHeader.decode(header.channelHeader)
        if (type !== common.HeaderType.ENDORSER_TRANSACTION) continue
        for (const action of actionsOf(inner)) {
          const { action: endorsed } = protos.ChaincodeActionPayload.decode(action.payload)
          for (const { endorser, signature: proof } of endorsed?.endorsements ?? []) {
            const by = manager.deserializeIdentity(endorser)
            if (Either.isLeft(by)) continue
            const signed = Buffer.concat([endorsed?.proposalResponsePayload ?? new Uint8Array(), endorser])
            if (by.right.verify(signed, proof)) endorsements++
          }
        }
      }
    }
    expect(envelopes).toBeGreaterThan(40)
    expect(endorsements).toBeGreaterThan(60)
  })
})

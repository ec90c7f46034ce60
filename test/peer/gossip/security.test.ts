/** Identities and blocks of the recorded network, judged as gossip asks for it. */
import { readdirSync, readFileSync } from "node:fs"
import * as Either from "effect/Either"
import { beforeAll, describe, expect, it } from "vitest"
import { Bundle } from "../../../src/channelconfig/index.js"
import { decodePemAll } from "../../../src/crypto/pem.js"
import { generateKey, parsePrivateKeyPem } from "../../../src/crypto/privateKey.js"
import { IdentityMapper } from "../../../src/gossip/identity/index.js"
import { connMessage, maxFields, type SecurityShape, verifyMessage } from "../../../src/gossip/index.js"
import type { LocalMspService } from "../../../src/msp/index.js"
import { makeSecurity } from "../../../src/peer/gossip/security.js"
import { sha256, toHex, utf8 } from "../../../src/wire/bytes.js"
import { common, msp } from "../../../src/wire/index.js"
import { crl, Holder } from "../../msp/support.js"
import { blockName, bytesOf, chainA, firstBundle, mspOf, nodeFolder, outcome } from "../support.js"

let org1: LocalMspService
let peer1: LocalMspService
let org2: LocalMspService
const joined = new Map<string, Bundle>()
let security: SecurityShape

beforeAll(async () => {
  const load = (mspId: "Org1MSP" | "Org2MSP", node: string) => mspOf(mspId, `${nodeFolder(mspId, node)}/msp`)
  ;[org1, peer1, org2] = await Promise.all([
    load("Org1MSP", "peer0"),
    load("Org1MSP", "peer1"),
    load("Org2MSP", "peer0")
  ])
  security = makeSecurity({
    local: org1,
    channels: { list: () => [...joined.keys()], bundleOf: (channelId) => joined.get(channelId) }
  })
})

const message = utf8("message")
const unjoin = () => joined.clear()
const join = () => void joined.set("mychannel", firstBundle())

describe("identities", () => {
  it("have the PKI-ID of MSP ID and certificate, whoever they are", () => {
    for (const { signer } of [org1, org2]) {
      const { mspid, idBytes } = msp.SerializedIdentity.decode(signer.serialized)
      const expected = toHex(sha256(utf8(mspid), idBytes))
      expect(toHex(security.pkiIdOf(signer.serialized) ?? new Uint8Array())).toBe(expected)
    }
    expect(security.pkiIdOf(new Uint8Array())).toBeUndefined()
    expect(security.pkiIdOf(Uint8Array.of(10, 99))).toBeUndefined()
    expect(security.identity).toEqual(org1.signer.serialized)
  })

  it("of the own organisation hold without a channel", () => {
    unjoin()
    const { serialized } = peer1.signer
    expect(security.orgOf(serialized)).toBe("Org1MSP")
    expect(outcome(security.validateIdentity(serialized))).toBe("ok")
    expect(security.expiresAt(serialized)).toBe(peer1.signer.identity.expiresAt)
    expect(outcome(security.verify(serialized, peer1.signer.sign(message), message))).toBe("ok")
    expect(outcome(security.verify(serialized, peer1.signer.sign(utf8("other")), message))).toBe(
      "The signature is invalid"
    )
    expect(outcome(security.verify(serialized, new Uint8Array(), message))).not.toBe("ok")
  })

  it("of others hold once a channel knows their organisation, and no longer than that", () => {
    unjoin()
    const { serialized } = org2.signer
    const signature = org2.signer.sign(message)
    expect(security.orgOf(serialized)).toBeUndefined()
    expect(outcome(security.validateIdentity(serialized))).toMatch(
      /^Peer Identity \[0a( [0-9a-f]{2}){31} \.\.\.\] cannot be validated\. No MSP found able to do that\.$/
    )
    expect(security.expiresAt(serialized)).toBeUndefined()
    expect(outcome(security.verify(serialized, signature, message))).toMatch(/cannot be validated/)
    join()
    expect(security.orgOf(serialized)).toBe("Org2MSP")
    expect(outcome(security.validateIdentity(serialized))).toBe("ok")
    expect(outcome(security.verify(serialized, signature, message))).toBe("ok")
    expect(outcome(security.verify(serialized, signature, utf8("other")))).not.toBe("ok")
    unjoin()
    expect(outcome(security.validateIdentity(serialized))).toMatch(/cannot be validated/)
  })

  it("that are malformed are refused with a reason", () => {
    join()
    const { mspid, idBytes } = msp.SerializedIdentity.decode(org1.signer.serialized)
    const refused: ReadonlyArray<readonly [Uint8Array, RegExp]> = [
      [new Uint8Array(), /^Invalid Peer Identity\. It must be different from nil\.$/],
      [Uint8Array.of(10, 99), /./],
      [msp.SerializedIdentity.encode({ mspid, idBytes: utf8("x") }), /cannot be validated/],
      [
        msp.SerializedIdentity.encode({ mspid, idBytes: Buffer.concat([idBytes, utf8("trailing")]) }),
        /^identity is not well formed: .*trailing bytes/
      ],
      [msp.SerializedIdentity.encode({ mspid: "Org2MSP", idBytes }), /cannot be validated/]
    ]
    for (const [identity, text] of refused) {
      expect(outcome(security.validateIdentity(identity))).toMatch(text)
      expect(Either.isLeft(security.verify(identity, message, message))).toBe(true)
    }
    expect(security.orgOf(new Uint8Array())).toBeUndefined()
  })

  it("sign handshakes that others verify", () => {
    join()
    const { serialized } = org1.signer
    const conn = connMessage(
      { pkiId: security.pkiIdOf(serialized) ?? message, identity: serialized, tlsCertHash: message },
      security.sign
    )
    const other = makeSecurity({
      local: org2,
      channels: { list: () => ["mychannel"], bundleOf: () => joined.get("mychannel") }
    })
    expect(outcome(verifyMessage(conn, serialized, other.verify))).toBe("ok")
  })

  it("are judged by a channel's readers where one is named", () => {
    join()
    const { serialized } = org2.signer
    const signature = org2.signer.sign(message)
    expect(outcome(security.verifyByChannel("mychannel", serialized, signature, message))).toBe("ok")
    expect(outcome(security.verifyByChannel("other", serialized, signature, message))).toBe(
      "Could not acquire policy manager for channel other"
    )
    expect(outcome(security.verifyByChannel("mychannel", serialized, message, message))).not.toBe("ok")
    expect(outcome(security.verifyByChannel("mychannel", new Uint8Array(), signature, message))).toMatch(
      /must be different/
    )
  })
})

/** The channel's first configuration with these certificates of Org2 revoked. */
const revoking = (revoked: ReadonlyArray<Holder>): Bundle => {
  const folder = `${chainA}crypto-config/peerOrganizations/org2.example.com/ca`
  const read = (end: string) => readFileSync(`${folder}/${readdirSync(folder).find((name) => name.endsWith(end))}`)
  const key = Either.getOrThrow(parsePrivateKeyPem(read("_sk")))
  if (!("curve" in key)) throw new Error("not an ECDSA key")
  const authority = new Holder(key, decodePemAll(read("-cert.pem"))[0]?.bytes ?? new Uint8Array())
  const { config } = firstBundle()
  const group = config.channelGroup
  const application = group?.groups.get("Application")
  const org = [...(application?.groups ?? [])].find(([name]) => name.startsWith("Org2"))
  if (group === undefined || application === undefined || org === undefined) throw new Error("no Org2")
  const [name, org2Group] = org
  const value = org2Group.values.get("MSP")
  const mspConfig = msp.MSPConfig.decode(value?.value ?? new Uint8Array())
  const fabric = msp.FabricMSPConfig.decode(mspConfig.config)
  const withList = msp.FabricMSPConfig.encode({ ...fabric, revocationList: [crl(authority, revoked)] })
  const values = new Map(org2Group.values).set("MSP", {
    ...common.ConfigValue.create(value),
    value: msp.MSPConfig.encode({ ...mspConfig, config: withList })
  })
  const groups = new Map(application.groups).set(name, { ...org2Group, values })
  const channelGroup = { ...group, groups: new Map(group.groups).set("Application", { ...application, groups }) }
  return Either.getOrThrowWith(Bundle.fromConfig("mychannel", { ...config, channelGroup }), (e) => new Error(e.message))
}

it("acceptance 26: an identity that a configuration revokes leaves the mapper, and those who keep its things are told", () => {
  join()
  const { serialized } = org2.signer
  const pkiId = security.pkiIdOf(serialized) ?? message
  const timers = { now: Date.now, monotonic: () => 0, nanos: () => 0n, after: () => () => {}, every: () => () => {} }
  const mapper = Either.getOrThrowWith(IdentityMapper.make({ security, timers }), (e) => new Error(e.message))
  expect(outcome(mapper.put(pkiId, serialized))).toBe("ok")
  const removed: Array<string> = []
  mapper.onRemoved(({ org }) => removed.push(org))
  joined.set("mychannel", revoking([]))
  mapper.suspect(() => true)
  expect(removed).toEqual([])
  const { idBytes } = msp.SerializedIdentity.decode(serialized)
  const certificate = decodePemAll(idBytes)[0]?.bytes ?? new Uint8Array()
  joined.set("mychannel", revoking([new Holder(generateKey(), certificate)]))
  mapper.suspect(() => true)
  expect(removed).toEqual(["Org2MSP"])
  expect(outcome(mapper.put(pkiId, serialized))).toMatch(/^failed classifying identity: .*No MSP found able to do that/)
  expect(outcome(mapper.verify(pkiId, org2.signer.sign(message), message))).toBe("PKIID wasn't found")
  expect(mapper.size).toBe(1)
  mapper.stop()
})

describe("blocks", () => {
  const block = (number: number): Uint8Array => bytesOf(`blocks/${blockName(number)}`)
  const changed = (
    number: number,
    change: (b: common.Block) => Parameters<typeof common.Block.encode>[0]
  ): Uint8Array => common.Block.encode(change(common.Block.decode(block(number))))
  const verdict = (bytes: Uint8Array, number: bigint, channel = "mychannel"): string =>
    outcome(security.verifyBlock(channel, number, bytes))

  it("of the channel's orderers pass", () => {
    join()
    for (const number of [1, 2, 5]) expect(verdict(block(number), BigInt(number))).toBe("ok")
  })

  it("are refused with the reference's texts", () => {
    join()
    expect(verdict(Uint8Array.of(10, 99), 1n)).toMatch(/^Failed unmarshalling block bytes on channel \[mychannel\]: \[/)
    expect(
      verdict(
        changed(5, (b) => ({ ...b, header: undefined })),
        5n
      )
    ).toBe("Invalid Block on channel [mychannel]. Header must be different from nil.")
    expect(verdict(block(5), 6n)).toBe("Claimed seqNum is [6] but actual seqNum inside block is [5]")
    expect(verdict(block(5), 2n ** 64n - 1n)).toMatch(/^Claimed seqNum is \[18446744073709551615\]/)
    expect(
      verdict(
        changed(5, (b) => ({ ...b, data: undefined })),
        5n
      )
    ).toBe(
      "Failed getting channel id from block with id [5] on channel [mychannel]: [failed to retrieve channel id - block is empty]"
    )
    expect(
      verdict(
        changed(5, (b) => ({ ...b, data: { data: [Uint8Array.of(10, 99)] } })),
        5n
      )
    ).toMatch(/^Failed getting channel id from block with id \[5\]/)
    expect(verdict(block(5), 5n, "other")).toBe("Invalid block's channel id. Expected [other]. Given [mychannel]")
    expect(
      verdict(
        changed(5, (b) => ({ ...b, metadata: undefined })),
        5n
      )
    ).toBe("Block with id [5] on channel [mychannel] does not have metadata. Block not valid.")
    const [first] = common.Block.decode(block(5)).data?.data ?? []
    expect(
      verdict(
        changed(5, (b) => ({ ...b, data: { data: [first ?? message, message] } })),
        5n
      )
    ).toBe("Header.DataHash is different from Hash(block.Data) for block with id [5] on channel [mychannel]")
    unjoin()
    expect(verdict(block(5), 5n)).toBe("Could not acquire policy manager for channel mychannel")
  })

  it("without a good signature are refused", () => {
    join()
    const unsignedBlock = changed(5, (b) => ({ ...b, metadata: { metadata: [new Uint8Array()] } }))
    expect(verdict(unsignedBlock, 5n)).not.toBe("ok")
    const renumbered = changed(5, (b) => ({ ...b, header: { ...b.header, number: 6n } }))
    expect(verdict(renumbered, 6n)).not.toBe("ok")
    expect(
      verdict(
        changed(5, (b) => ({ ...b, metadata: { metadata: [Uint8Array.of(10, 99)] } })),
        5n
      )
    ).toMatch(/^Failed unmarshalling medatata for signatures \[/)
  })

  it("with too many parts are refused before they are taken apart", () => {
    join()
    const entries = Uint8Array.from({ length: 3 * maxFields + 3 }, (_, i) => [10, 1, 0][i % 3] ?? 0)
    const length = Buffer.from([
      (entries.length & 0x7f) | 0x80,
      ((entries.length >> 7) & 0x7f) | 0x80,
      entries.length >> 14
    ])
    expect(verdict(Buffer.concat([Uint8Array.of(18), length, entries]), 5n)).toMatch(/more than 250000 fields/)
  })
})

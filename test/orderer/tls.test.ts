/** TLS of the whole program: versions, mutual TLS whose authorities follow the channels, request binding. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as tls from "node:tls"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { newConsortiumOrgGroup } from "../../src/channelconfig/index.js"
import { seekInfo, signedEnvelope } from "../../src/client/index.js"
import { decodeOrderer } from "../../src/config/index.js"
import { Registrar } from "../../src/orderer/multichannel/Registrar.js"
import * as Orderer from "../../src/orderer/Program.js"
import { type ClientTls, connect } from "../../src/transport/index.js"
import { sha256 } from "../../src/wire/protoutil.js"
import {
  broadcastOne,
  chainA,
  deliverAll,
  moment,
  seekMessage,
  signerOf,
  temporaryFolder,
  waitForHeight
} from "./support/node.js"
import { environment, freePort } from "./support/process.js"
import { draftOf, envelopeOf, groupOf, updateOf } from "./support/updates.js"

const shipped = path.join(import.meta.dirname, "../../config/orderer.yaml")
const kafkaA = path.join(chainA, "../kafka-a/crypto-config")
const material = path.join(chainA, "crypto-config")
const server = path.join(material, "ordererOrganizations/example.com/orderers/orderer.example.com/tls")
const read = (...parts: ReadonlyArray<string>) => fs.readFileSync(path.join(...parts))
const rootCerts = [read(server, "ca.crt")]
const org1Client = path.join(material, "peerOrganizations/org1.example.com/users/User1@org1.example.com/tls")
const foreignOrg = path.join(kafkaA, "peerOrganizations/org2.example.com")
const foreignClient = path.join(foreignOrg, "users/User1@org2.example.com/tls")

const start = (env: Record<string, string>) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const config = yield* decodeOrderer(shipped, fs.readFileSync(shipped, "utf8"), {
      env: {
        ...environment(folder, yield* freePort),
        ORDERER_GENERAL_TLS_ENABLED: "true",
        ORDERER_GENERAL_TLS_CERTIFICATE: path.join(server, "server.crt"),
        ORDERER_GENERAL_TLS_PRIVATEKEY: path.join(server, "server.key"),
        ORDERER_GENERAL_TLS_ROOTCAS: `[${path.join(server, "ca.crt")}]`,
        ...env
      },
      cwd: folder
    })
    const context = yield* Layer.build(Orderer.layer(config, { env: {}, cwd: folder }))
    const { address } = yield* Effect.provide(Orderer.running, context)
    const registrar = yield* Effect.provide(Registrar, context)
    const client = (extra: Partial<ClientTls> = {}) =>
      connect(address, {
        tls: { rootCerts, serverNameOverride: "orderer.example.com", ...extra },
        connectTimeout: "2 seconds"
      })
    return { address, registrar, client }
  })

const pair = (folder: string) => ({ clientCert: read(folder, "client.crt"), clientKey: read(folder, "client.key") })

/** What a handshake with exactly this version comes to. */
const handshake = (address: string, version: tls.SecureVersion) =>
  Effect.async<string>((resume) => {
    const socket = tls.connect({
      host: "127.0.0.1",
      port: Number(address.slice(address.lastIndexOf(":") + 1)),
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      ALPNProtocols: ["h2"],
      ciphers: "DEFAULT@SECLEVEL=0"
    })
    const end = (outcome: string) => {
      socket.destroy()
      resume(Effect.succeed(outcome))
    }
    socket.on("secureConnect", () => end(`${socket.getProtocol()} ${socket.alpnProtocol}`))
    socket.on("error", () => end("refused"))
  })

describe("TLS (acceptance check 26, 3.10)", () => {
  it.scopedLive("speaks 1.2 only, asks for a client certificate and takes any without mutual TLS", () =>
    Effect.gen(function* () {
      const node = yield* start({})
      expect(yield* handshake(node.address, "TLSv1.1")).toBe("refused")
      expect(yield* handshake(node.address, "TLSv1.2")).toBe("TLSv1.2 h2")
      expect(yield* handshake(node.address, "TLSv1.3")).toBe("refused")
      const admin = yield* signerOf("ordererAdmin")
      for (const extra of [{}, pair(org1Client), pair(foreignClient)]) {
        const { status } = yield* deliverAll(yield* node.client(extra), seekMessage(admin, "sys", 0n, 0n))
        expect(status).toBe(200)
      }
    })
  )

  it.scopedLive("under mutual TLS takes the channels' organisations, a new one right after its config block", () =>
    Effect.gen(function* () {
      const node = yield* start({ ORDERER_GENERAL_TLS_CLIENTAUTHREQUIRED: "true" })
      const admin = yield* signerOf("ordererAdmin")
      expect(Either.isLeft(yield* Effect.either(node.client()))).toBe(true)
      expect(Either.isLeft(yield* Effect.either(node.client(pair(foreignClient))))).toBe(true)
      const client = yield* node.client(pair(org1Client))

      // requests must name the certificate they come under (check 15)
      const seek = (tlsCertHash?: Uint8Array) =>
        signedEnvelope({
          ...moment(),
          type: 5,
          channelId: "sys",
          signer: admin,
          data: seekInfo({ start: 0n, stop: 0n }),
          ...(tlsCertHash === undefined ? {} : { tlsCertHash })
        })
      const der = Buffer.from(
        pair(org1Client)
          .clientCert.toString()
          .replace(/-----[^-]+-----|\s/g, ""),
        "base64"
      )
      expect((yield* deliverAll(client, seek())).status).toBe(400)
      expect((yield* deliverAll(client, seek(sha256(rootCerts[0] ?? der)))).status).toBe(400)
      expect((yield* deliverAll(client, seek(sha256(der)))).status).toBe(200)

      const system = node.registrar.channel("sys")
      if (system === undefined) return
      const rule = (text: string) => ({ type: "Signature", rule: text })
      const org = yield* newConsortiumOrgGroup(
        {
          name: "Org3MSP",
          id: "Org3MSP",
          mspDir: path.join(foreignOrg, "msp"),
          mspType: "bccsp",
          policies: new Map(["Readers", "Writers", "Admins"].map((name) => [name, rule("OR('Org3MSP.member')")])),
          anchorPeers: [],
          ordererEndpoints: [],
          adminPrincipal: "Role.ADMIN"
        },
        () => {}
      )
      const update = updateOf(system.bundles.current(), (root) => {
        groupOf(root, "Consortiums", "SampleConsortium").groups.set("Org3MSP", draftOf(org))
      })
      expect(yield* broadcastOne(client, envelopeOf(update, [admin]))).toEqual({ status: 200, info: "" })
      yield* waitForHeight(node, "sys", 2n)
      yield* node.client(pair(foreignClient))
    })
  )
})

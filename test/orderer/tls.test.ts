/** TLS of the whole program: versions, mutual TLS whose authorities follow the channels, request binding. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as tls from "node:tls"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { newConsortiumOrgGroup } from "../../src/channelconfig/index.js"
import { type ClientSigner, seekInfo, signedEnvelope } from "../../src/client/index.js"
import { decodeOrderer } from "../../src/config/index.js"
import { Registrar } from "../../src/orderer/multichannel/Registrar.js"
import * as Orderer from "../../src/orderer/Program.js"
import * as Log from "../../src/runtime/Log.js"
import { type ClientTls, connect } from "../../src/transport/index.js"
import { sha256 } from "../../src/wire/protoutil.js"
import { authority, type Pair } from "../transport/material.js"
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
    const lines: Array<string> = []
    const write = (line: string) => void lines.push(line)
    const logging = Log.layerOf(Either.getOrThrow(Log.make({ spec: "info", format: "%{message}", write })))
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
    const program = Orderer.layer(config, { env: {}, cwd: folder }).pipe(Layer.provide(logging))
    const context = yield* Layer.build(program)
    const { address, operationsAddress } = yield* Effect.provide(Orderer.running, context)
    const registrar = yield* Effect.provide(Registrar, context)
    const client = (extra: Partial<ClientTls> = {}) =>
      connect(address, {
        tls: { rootCerts, serverNameOverride: "orderer.example.com", ...extra },
        connectTimeout: "2 seconds"
      })
    return { address, operationsAddress, registrar, client, lines }
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

describe("new certificates without a restart (beyond the reference)", () => {
  const ca = authority("ca.orderer")
  const put = (folder: string, name: string, { certificate, key }: Pair) => {
    fs.writeFileSync(path.join(folder, `${name}.crt`), certificate)
    fs.writeFileSync(path.join(folder, `${name}.key`), key)
  }
  const ordererFiles = (folder: string) => ({
    ORDERER_GENERAL_TLS_CERTIFICATE: path.join(folder, "server.crt"),
    ORDERER_GENERAL_TLS_PRIVATEKEY: path.join(folder, "server.key")
  })

  interface Seen {
    readonly protocol: string
    readonly cipher: string
    readonly certificate: string
  }
  const look = (address: string): Effect.Effect<Seen | undefined> =>
    Effect.async((resume) => {
      const socket = tls.connect({
        host: "127.0.0.1",
        port: Number(address.slice(address.lastIndexOf(":") + 1)),
        ca: Buffer.from(ca.certificate),
        ALPNProtocols: ["h2", "http/1.1"]
      })
      socket.once("secureConnect", () =>
        resume(
          Effect.succeed({
            protocol: String(socket.getProtocol()),
            cipher: socket.getCipher().name,
            certificate: Buffer.from(socket.getPeerX509Certificate()?.raw ?? []).toString("hex")
          })
        )
      )
      socket.once("error", () => resume(Effect.succeed(undefined)))
      return Effect.sync(() => socket.destroy())
    })
  const shows = (address: string, { der }: Pair): Effect.Effect<Seen> =>
    Effect.repeat(look(address), {
      until: (seen): seen is Seen => seen?.certificate === Buffer.from(der).toString("hex")
    })
  const until = (holds: () => boolean) =>
    Effect.repeat(Effect.delay(Effect.sync(holds), "5 millis"), { until: (is) => is })
  const seekAll = (node: Effect.Effect.Success<ReturnType<typeof start>>, admin: ClientSigner) =>
    Effect.flatMap(
      connect(node.address, { tls: { rootCerts: [ca.certificate] }, connectTimeout: "2 seconds" }),
      (client) => Effect.map(deliverAll(client, seekMessage(admin, "sys", 0n, 0n)), ({ status }) => status)
    )

  it.scopedLive(
    "serve both servers, with versions and suites as before; half a pair changes nothing and is told once",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const [first, second, third] = [ca.issue("orderer"), ca.issue("orderer"), ca.issue("orderer")]
        put(folder, "server", first)
        put(folder, "operations", first)
        const node = yield* start({
          ...ordererFiles(folder),
          ORDERER_GENERAL_TLS_RELOADINTERVAL: "20ms",
          ORDERER_OPERATIONS_TLS_ENABLED: "true",
          ORDERER_OPERATIONS_TLS_CERTIFICATE: path.join(folder, "operations.crt"),
          ORDERER_OPERATIONS_TLS_PRIVATEKEY: path.join(folder, "operations.key")
        })
        const admin = yield* signerOf("ordererAdmin")
        const open = yield* connect(node.address, { tls: { rootCerts: [ca.certificate] } })
        const check = (pair: Pair) =>
          Effect.gen(function* () {
            const seen = yield* shows(node.address, pair)
            expect(seen.protocol).toBe("TLSv1.2")
            expect(seen.cipher).toMatch(/^ECDHE-ECDSA-AES(128|256)-GCM/)
            expect(yield* handshake(node.address, "TLSv1.3")).toBe("refused")
            expect(yield* handshake(node.address, "TLSv1.1")).toBe("refused")
            expect(yield* seekAll(node, admin)).toBe(200)
          })
        yield* check(first)
        put(folder, "server", second)
        yield* check(second)
        expect(node.lines.join("")).toContain("server TLS certificate reloaded")

        // half a pair, then the other half
        const refusals = () => node.lines.filter((line) => line.includes("the server TLS certificate is not reloaded"))
        const before = refusals().length // the second pair, too, may have been seen while only half of it was there
        fs.writeFileSync(path.join(folder, "server.crt"), third.certificate)
        yield* until(() => refusals().length > before)
        yield* Effect.sleep("100 millis")
        yield* check(second)
        expect(refusals()).toHaveLength(before + 1)
        fs.writeFileSync(path.join(folder, "server.key"), third.key)
        yield* check(third)

        yield* shows(node.operationsAddress, first)
        put(folder, "operations", second)
        yield* shows(node.operationsAddress, second)
        // who was connected all along still is
        expect((yield* deliverAll(open, seekMessage(admin, "sys", 0n, 0n))).status).toBe(200)
      })
  )

  it.scopedLive("under mutual TLS keep the channels' authorities", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      put(folder, "server", ca.issue("orderer"))
      const node = yield* start({
        ...ordererFiles(folder),
        ORDERER_GENERAL_TLS_RELOADINTERVAL: "20ms",
        ORDERER_GENERAL_TLS_CLIENTAUTHREQUIRED: "true"
      })
      const reach = (extra: Partial<ClientTls>) =>
        Effect.either(
          Effect.scoped(
            connect(node.address, { tls: { rootCerts: [ca.certificate], ...extra }, connectTimeout: "2 seconds" })
          )
        )
      expect(Either.isRight(yield* reach(pair(org1Client)))).toBe(true)
      put(folder, "server", ca.issue("orderer"))
      yield* until(() => node.lines.join("").includes("server TLS certificate reloaded"))
      expect(Either.isRight(yield* reach(pair(org1Client)))).toBe(true)
      expect(Either.isLeft(yield* reach(pair(foreignClient)))).toBe(true)
      expect(Either.isLeft(yield* reach({}))).toBe(true)
    })
  )

  it.scopedLive("are judged anew by their end, and left alone unless asked for", () =>
    Effect.gen(function* () {
      const day = 86_400_000
      const folder = yield* temporaryFolder
      const first = ca.issue("orderer", { notAfter: Date.now() + 30 * day })
      put(folder, "server", first)
      const node = yield* start({ ...ordererFiles(folder), ORDERER_GENERAL_TLS_RELOADINTERVAL: "20ms" })
      const idle = yield* start(ordererFiles(folder))
      expect(node.lines.join("")).not.toContain("expires within")
      put(folder, "server", ca.issue("orderer", { notAfter: Date.now() + 2 * day + 60_000 }))
      yield* until(() => node.lines.join("").includes("The server TLS certificate expires within 2 days and 0 hours"))
      yield* Effect.sleep("100 millis")
      yield* shows(idle.address, first)
    })
  )
})

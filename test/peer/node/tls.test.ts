/** A peer under mutual TLS: who may connect before and after a channel is joined, whom it trusts as an orderer. */
import { X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { join as path } from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { beforeAll, expect } from "vitest"
import { peerBlocks, signedEnvelope } from "../../../src/client/index.js"
import { sha256 } from "../../../src/crypto/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { Code, type ConnectOptions, connect } from "../../../src/transport/index.js"
import { common, protos } from "../../../src/wire/index.js"
import { Admin } from "../../../src/wire/services.js"
import { genesisBlock, nodeFolder, person, until, userFolder } from "../support.js"
import { chainInfo, join, statusOf } from "./calls.js"
import { freePort } from "./process.js"
import { recordedBlocks, serveChain } from "./serveChain.js"
import { startPeer, tempFolder } from "./support.js"

let admin: Signer
let user: Signer
beforeAll(async () => {
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
})

const tlsOf = (folder: string, name: "server" | "client") => ({
  certificate: readFileSync(path(folder, `${name}.crt`)),
  key: readFileSync(path(folder, `${name}.key`)),
  ca: readFileSync(path(folder, "ca.crt"))
})
const peerTls = path(nodeFolder("Org1MSP", "peer0"), "tls")
const org1 = tlsOf(path(userFolder("Org1MSP", "User1"), "../tls"), "client")
const org2 = tlsOf(path(userFolder("Org2MSP", "User1"), "../tls"), "client")
const peerServer = tlsOf(peerTls, "server")

const environment = {
  CORE_PEER_TLS_ENABLED: "true",
  CORE_PEER_TLS_CLIENTAUTHREQUIRED: "true",
  CORE_PEER_TLS_CERT_FILE: path(peerTls, "server.crt"),
  CORE_PEER_TLS_KEY_FILE: path(peerTls, "server.key"),
  CORE_PEER_TLS_ROOTCERT_FILE: path(peerTls, "ca.crt"),
  CORE_PEER_TLS_CLIENTROOTCAS_FILES: path(peerTls, "ca.crt")
}

/** As a client of an organization connects to the peer. */
const as = (client: typeof org1 | undefined): ConnectOptions => ({
  connectTimeout: "1 second",
  tls: {
    rootCerts: [peerServer.ca],
    ...(client === undefined ? {} : { clientCert: client.certificate, clientKey: client.key })
  }
})

const orderer = (tls: ReturnType<typeof tlsOf>) =>
  serveChain(recordedBlocks.slice(0, 3), {
    tls: { certificate: tls.certificate, key: tls.key, requireClientCert: true, clientRootCAs: [peerServer.ca] }
  })

it.scopedLive("takes blocks from an orderer that the channel's authorities vouch for, and from no other", () =>
  Effect.gen(function* () {
    const good = yield* orderer(tlsOf(path(nodeFolder("OrdererMSP", "orderer"), "tls"), "server"))
    const bad = yield* orderer(tlsOf(path(nodeFolder("Org2MSP", "peer0"), "tls"), "server"))
    const start = (address: string) =>
      Effect.gen(function* () {
        const peer = yield* startPeer({ folder: yield* tempFolder, orderer: address, environment })
        expect(statusOf(yield* join(yield* peer.connect(as(org1)), admin, genesisBlock()))).toBe("200")
        return peer
      })
    const fed = yield* start(good.address)
    const starved = yield* start(bad.address)
    yield* fed.table.get("mychannel")?.pipeline.reached(3n) ?? Effect.die("not joined")
    yield* until(() => starved.lines.some((line) => line.includes(`Failed connecting to ${bad.address}`)))
    expect(starved.table.get("mychannel")?.ledger.height()).toBe(1n)
    expect(bad.requests()).toBe(0)
  })
)

it.scopedLive("lets clients in by the channels' authorities; Admin on a port of its own", () =>
  Effect.gen(function* () {
    const port = yield* freePort
    const served = yield* orderer(tlsOf(path(nodeFolder("OrdererMSP", "orderer"), "tls"), "server"))
    const peer = yield* startPeer({
      folder: yield* tempFolder,
      orderer: served.address,
      environment: { ...environment, CORE_PEER_ADMINSERVICE_LISTENADDRESS: `127.0.0.1:${port}` }
    })
    const reach = (options: ConnectOptions, address = peer.address) =>
      Effect.map(Effect.either(Effect.scoped(connect(address, options))), Either.isRight)
    expect(yield* reach(as(org1))).toBe(true)
    expect(yield* reach(as(undefined))).toBe(false)
    expect(yield* reach(as(org2))).toBe(false)
    expect(yield* reach({ connectTimeout: "1 second" })).toBe(false)

    const client = yield* peer.connect(as(org1))
    expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
    // the other organization of the channel from now on, on both servers
    for (const address of [peer.address, `127.0.0.1:${port}`])
      while (!(yield* reach(as(org2), address))) yield* Effect.sleep("10 millis")
    expect(yield* reach(as(undefined))).toBe(false)
    yield* peer.table.get("mychannel")?.pipeline.reached(3n) ?? Effect.die("not joined")
    expect((yield* chainInfo(client, user)).height).toBe(3n)

    // requests for blocks are bound to the connection's certificate
    const request = { channelId: "mychannel", signer: user, seek: { start: 0n, stop: 0n } } as const
    const tlsCertHash = sha256(new X509Certificate(org1.certificate).raw)
    const read = (hash: Uint8Array | undefined) =>
      Effect.flatMap(peerBlocks(client, hash === undefined ? request : { ...request, tlsCertHash: hash }), (blocks) =>
        Effect.either(blocks.next)
      )
    expect(Either.isRight(yield* read(tlsCertHash))).toBe(true)
    expect(yield* read(sha256(org2.certificate))).toMatchObject(Either.left({ status: common.Status.BAD_REQUEST }))
    expect(yield* read(undefined)).toMatchObject(Either.left({ status: common.Status.BAD_REQUEST }))

    const ask = signedEnvelope({
      type: common.HeaderType.PEER_ADMIN_OPERATION,
      channelId: "",
      data: protos.AdminOperation.encode({}),
      signer: admin,
      now: Date.now(),
      nonce: Buffer.alloc(24, 1)
    })
    const own = yield* connect(`127.0.0.1:${port}`, as(org1))
    const answer = yield* own.unary(Admin.methods.GetStatus, ask)
    expect(protos.ServerStatus.decode(answer).status).toBe(protos.ServerStatus_StatusCode.STARTED)
    expect(yield* Effect.flip(client.unary(Admin.methods.GetStatus, ask))).toMatchObject({ code: Code.Unimplemented })
  })
)

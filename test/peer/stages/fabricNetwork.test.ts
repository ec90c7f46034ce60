/**
 * Unmodified fabric-network against our peer and orderer over TLS and over mutual TLS: endorse, order, wait for the
 * commit event, read blocks. Material, genesis block and channel are those of the recorded network.
 */
import { X509Certificate } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join as path } from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { X509Identity } from "fabric-network"
import { expect } from "vitest"
import { fetchBlock, ordererBlocks } from "../../../src/client/index.js"
import { decodeOrderer } from "../../../src/config/index.js"
import { sha256 } from "../../../src/crypto/index.js"
import { Registrar } from "../../../src/orderer/multichannel/Registrar.js"
import * as Orderer from "../../../src/orderer/Program.js"
import { type ConnectOptions, connect } from "../../../src/transport/index.js"
import { Gateway, Wallets } from "../../network/sdk.js"
import { createMychannel } from "../../orderer/support/node.js"
import { environment as ordererEnvironment } from "../../orderer/support/process.js"
import { join, statusOf } from "../node/calls.js"
import { freePort } from "../node/process.js"
import { startPeer, tempFolder } from "../node/support.js"
import { nodeFolder, person, userFolder } from "../support.js"

const shipped = path(import.meta.dirname, "../../../config/orderer.yaml")
const tlsFolder = (msp: string): string => path(msp, "../tls")
const ordererTls = path(nodeFolder("OrdererMSP", "orderer"), "tls")
const peerTls = path(nodeFolder("Org1MSP", "peer0"), "tls")
const adminTls = tlsFolder(userFolder("Org1MSP", "Admin"))
const userTls = tlsFolder(userFolder("Org1MSP", "User1"))
const text = (...parts: ReadonlyArray<string>): string => readFileSync(path(...parts), "utf8")

/** How a client of the organisation connects. */
const tlsOf = (mutual: boolean, ca: string): ConnectOptions => ({
  tls: {
    rootCerts: [readFileSync(ca)],
    ...(mutual
      ? {
          clientCert: readFileSync(path(adminTls, "client.crt")),
          clientKey: readFileSync(path(adminTls, "client.key"))
        }
      : {})
  }
})

const startOrderer = (mutual: boolean) =>
  Effect.gen(function* () {
    const folder = yield* tempFolder
    const config = yield* decodeOrderer(shipped, text(shipped), {
      env: {
        ...ordererEnvironment(folder, yield* freePort),
        ORDERER_GENERAL_TLS_ENABLED: "true",
        ORDERER_GENERAL_TLS_CERTIFICATE: path(ordererTls, "server.crt"),
        ORDERER_GENERAL_TLS_PRIVATEKEY: path(ordererTls, "server.key"),
        ORDERER_GENERAL_TLS_ROOTCAS: `[${path(ordererTls, "ca.crt")}]`,
        ORDERER_GENERAL_TLS_CLIENTAUTHREQUIRED: String(mutual),
        ORDERER_GENERAL_TLS_CLIENTROOTCAS: `[${path(ordererTls, "ca.crt")},${path(peerTls, "ca.crt")}]`
      },
      cwd: folder
    })
    const context = yield* Layer.build(Orderer.layer(config, { env: {}, cwd: folder }))
    const { address } = yield* Effect.provide(Orderer.running, context)
    const client = yield* connect(address, tlsOf(mutual, path(ordererTls, "ca.crt")))
    const orderer = { address, client, registrar: yield* Effect.provide(Registrar, context) }
    yield* createMychannel(orderer)
    return orderer
  })

const profileOf = (orderer: string, peer: string) => ({
  name: "recorded",
  version: "1.0.0",
  client: { organization: "Org1" },
  channels: {
    mychannel: {
      orderers: ["orderer.example.com"],
      peers: {
        "peer0.org1.example.com": {
          endorsingPeer: true,
          chaincodeQuery: true,
          ledgerQuery: true,
          eventSource: true,
          discover: false
        }
      }
    }
  },
  organizations: { Org1: { mspid: "Org1MSP", peers: ["peer0.org1.example.com"] } },
  orderers: {
    "orderer.example.com": {
      url: `grpcs://${orderer}`,
      grpcOptions: { "ssl-target-name-override": "orderer.example.com" },
      tlsCACerts: { pem: text(ordererTls, "ca.crt") }
    }
  },
  peers: {
    "peer0.org1.example.com": {
      url: `grpcs://${peer}`,
      grpcOptions: { "ssl-target-name-override": "peer0.org1.example.com" },
      tlsCACerts: { pem: text(peerTls, "ca.crt") }
    }
  }
})

const only = (folder: string): string => text(folder, readdirSync(folder)[0] ?? "")

/** A wallet with the user, and under another name what it shows in handshakes. */
const wallet = async () => {
  const made = await Wallets.newInMemoryWallet()
  const msp = userFolder("Org1MSP", "User1")
  const identities: Readonly<Record<string, X509Identity>> = {
    user: {
      credentials: { certificate: only(path(msp, "signcerts")), privateKey: only(path(msp, "keystore")) },
      mspId: "Org1MSP",
      type: "X.509"
    },
    tls: {
      credentials: { certificate: text(userTls, "client.crt"), privateKey: text(userTls, "client.key") },
      mspId: "Org1MSP",
      type: "X.509"
    }
  }
  for (const [label, identity] of Object.entries(identities)) await made.put(label, identity)
  return made
}

for (const mutual of [false, true])
  it.scopedLive(
    `${mutual ? "mutual TLS" : "TLS"}: submits, hears of the commit, reads blocks`,
    () =>
      Effect.gen(function* () {
        const admin = yield* Effect.promise(() => person("Org1MSP", "Admin"))
        const orderer = yield* startOrderer(mutual)
        const peer = yield* startPeer({
          folder: yield* tempFolder,
          orderer: orderer.address,
          environment: {
            CORE_PEER_TLS_ENABLED: "true",
            CORE_PEER_TLS_CLIENTAUTHREQUIRED: String(mutual),
            CORE_PEER_TLS_CERT_FILE: path(peerTls, "server.crt"),
            CORE_PEER_TLS_KEY_FILE: path(peerTls, "server.key"),
            CORE_PEER_TLS_ROOTCERT_FILE: path(peerTls, "ca.crt"),
            CORE_PEER_TLS_CLIENTROOTCAS_FILES: path(peerTls, "ca.crt")
          }
        })
        const client = yield* peer.connect(tlsOf(mutual, path(peerTls, "ca.crt")))
        const shown = new X509Certificate(text(adminTls, "client.crt"))
        const block = yield* fetchBlock(
          orderer.client,
          {
            channelId: "mychannel",
            signer: admin,
            seek: { start: "oldest", stop: "oldest" },
            ...(mutual ? { tlsCertHash: sha256(shown.raw) } : {})
          },
          ordererBlocks
        )
        expect(statusOf(yield* join(client, admin, block))).toBe("200")

        yield* Effect.promise(async () => {
          const gateway = new Gateway()
          const identities = await wallet()
          const connectAs = (options: object) =>
            gateway.connect(profileOf(orderer.address, peer.address), {
              wallet: identities,
              identity: "user",
              discovery: { enabled: false, asLocalhost: false },
              ...options
            })
          try {
            await connectAs(mutual ? { clientTlsIdentity: "tls" } : {})
            const network = await gateway.getNetwork("mychannel")
            const qscc = network.getContract("qscc")
            const events: Array<string> = []
            await network.addBlockListener(async ({ blockNumber }) => void events.push(String(blockNumber)))
            const info = await qscc.submitTransaction("GetChainInfo", "mychannel") // waits for the commit event
            expect(info.length).toBeGreaterThan(0)
            expect((await qscc.evaluateTransaction("GetBlockByNumber", "mychannel", "1")).length).toBeGreaterThan(0)
            while (events.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
            expect(events).toContain("1")
          } finally {
            gateway.disconnect()
          }
        })
        expect(peer.table.get("mychannel")?.ledger.height()).toBe(2n)
      }),
    180_000
  )

/** The commands over mutual TLS: to the peer by environment, to the orderer by flags, to the Admin service's own port. */

import { readFileSync } from "node:fs"
import { join as path, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { join } from "../node/calls.js"
import { freePort } from "../node/process.js"
import { recordedBlocks, serveChain } from "../node/serveChain.js"
import { startPeer, tempFolder } from "../node/support.js"
import { genesisBlock, nodeFolder, person, userFolder } from "../support.js"
import { run } from "./support.js"

const core = fileURLToPath(new URL("../../../config", import.meta.url))
const peerTls = path(nodeFolder("Org1MSP", "peer0"), "tls")
const ordererTls = path(nodeFolder("OrdererMSP", "orderer"), "tls")
const client = path(userFolder("Org1MSP", "Admin"), "../tls")
const stranger = path(userFolder("Org2MSP", "Admin"), "../tls")

const serverSide = {
  CORE_PEER_TLS_ENABLED: "true",
  CORE_PEER_TLS_CLIENTAUTHREQUIRED: "true",
  CORE_PEER_TLS_CERT_FILE: path(peerTls, "server.crt"),
  CORE_PEER_TLS_KEY_FILE: path(peerTls, "server.key"),
  CORE_PEER_TLS_ROOTCERT_FILE: path(peerTls, "ca.crt"),
  CORE_PEER_TLS_CLIENTROOTCAS_FILES: path(peerTls, "ca.crt")
}
const clientSide = (address: string) => ({
  FABRIC_CFG_PATH: core,
  FABRIC_LOGGING_FORMAT: "%{level} [%{module}] %{message}",
  CORE_PEER_ADDRESS: address,
  CORE_PEER_LOCALMSPID: "Org1MSP",
  CORE_PEER_MSPCONFIGPATH: userFolder("Org1MSP", "Admin"),
  CORE_PEER_CLIENT_CONNTIMEOUT: "1s",
  CORE_PEER_TLS_ENABLED: "true",
  CORE_PEER_TLS_ROOTCERT_FILE: path(peerTls, "ca.crt"),
  CORE_PEER_TLS_CLIENTAUTHREQUIRED: "true",
  CORE_PEER_TLS_CLIENTCERT_FILE: path(client, "client.crt"),
  CORE_PEER_TLS_CLIENTKEY_FILE: path(client, "client.key")
})

it.scopedLive(
  "over mutual TLS",
  () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const port = yield* freePort
      const read = (file: string) => readFileSync(path(ordererTls, file))
      const orderer = yield* serveChain(recordedBlocks.slice(0, 3), {
        tls: {
          certificate: read("server.crt"),
          key: read("server.key"),
          requireClientCert: true,
          clientRootCAs: [readFileSync(path(peerTls, "ca.crt"))]
        }
      })
      const peer = yield* startPeer({
        folder: yield* tempFolder,
        environment: { ...serverSide, CORE_PEER_ADMINSERVICE_LISTENADDRESS: `127.0.0.1:${port}` }
      })
      const connection = yield* peer.connect({
        tls: {
          rootCerts: [readFileSync(path(peerTls, "ca.crt"))],
          clientCert: readFileSync(path(client, "client.crt")),
          clientKey: readFileSync(path(client, "client.key"))
        }
      })
      yield* join(connection, yield* Effect.promise(() => person("Org1MSP", "Admin")), genesisBlock())
      const env = clientSide(peer.address)
      const cli = (more: Readonly<Record<string, string>>, ...argv: ReadonlyArray<string>) =>
        run(argv, { ...env, ...more }, folder)

      // ---- The peer, by environment ----
      const listed = yield* cli({}, "channel", "list")
      expect([listed.status, listed.stdout]).toEqual([0, "Channels peers has joined: \nmychannel\n"])
      const fetched = yield* cli({}, "channel", "fetch", "0", "peer.block", "-c", "mychannel")
      expect(fetched.status).toBe(0)
      expect(Buffer.from(genesisBlock()).equals(readFileSync(path(folder, "peer.block")))).toBe(true)
      for (const [more, text] of [
        [{ CORE_PEER_TLS_CLIENTAUTHREQUIRED: "false" }, /endorser client failed to connect to /],
        [
          { CORE_PEER_TLS_ROOTCERT_FILE: path(stranger, "ca.crt") },
          /comm\.tls.*signed by unknown authority[\s\S]*endorser client failed to connect to .*: failed to create new connection: context deadline exceeded\n/
        ],
        [
          { CORE_PEER_TLS_ROOTCERT_FILE: "/nope" },
          /unable to load peer\.tls\.rootcert\.file: open \/nope: no such file/
        ],
        [
          { CORE_PEER_TLS_CLIENTKEY_FILE: "/nope" },
          /unable to load peer\.tls\.clientKey\.file: open \/nope: no such file/
        ],
        [{ CORE_PEER_TLS_SERVERHOSTOVERRIDE: "somebody.else" }, /endorser client failed to connect to /]
      ] as const) {
        const refused = yield* cli(more, "channel", "list")
        expect([refused.status, refused.stdout]).toEqual([1, ""])
        expect(refused.stderr).toMatch(text)
      }

      // ---- The orderer, by flags ----
      const at = ["-c", "mychannel", "-o", orderer.address]
      const tls = ["--tls", "--cafile", path(ordererTls, "ca.crt")]
      const shown = ["--clientauth", "--certfile", path(client, "client.crt"), "--keyfile", path(client, "client.key")]
      expect((yield* cli({}, "channel", "fetch", "newest", "orderer.block", ...at, ...tls, ...shown)).status).toBe(0)
      // relative paths of flags start at core.yaml's folder, `--tls true` leaves a word behind
      const inCore = ["--tls", "true", "--cafile", relative(core, path(ordererTls, "ca.crt"))]
      expect((yield* cli({}, "channel", "fetch", "1", ...at, ...inCore, ...shown)).status).toBe(0)
      for (const [flags, text] of [
        [[], /orderer client failed to connect to /],
        [tls, /orderer client failed to connect to /],
        [["--tls", ...shown], /unable to load orderer\.tls\.rootcert\.file: open : no such file or directory/],
        [[...tls, "--clientauth", "--certfile", "/nope"], /unable to load orderer\.tls\.clientKey\.file: open /],
        [[...tls, ...shown, "--ordererTLSHostnameOverride", "somebody.else"], /orderer client failed to connect to /]
      ] as const) {
        const refused = yield* cli({}, "channel", "fetch", "0", ...at, "--connTimeout", "1s", ...flags)
        expect(refused.status).toBe(1)
        expect(refused.stderr).toMatch(text)
      }

      // ---- The Admin service on its own port ----
      expect((yield* cli({}, "node", "status")).stdout).toBe("status:UNKNOWN \n")
      const admin = { CORE_PEER_ADDRESS: `127.0.0.1:${port}` }
      expect(yield* cli(admin, "node", "status")).toEqual({ status: 0, stdout: "status:STARTED \n", stderr: "" })
      expect((yield* cli(admin, "logging", "getlogspec")).stderr).toBe(
        "INFO [cli.logging] Current logging spec: info\n"
      )
    }),
  60_000
)

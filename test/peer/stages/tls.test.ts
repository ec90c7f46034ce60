/**
 * TLS of a whole peer: new certificates without a restart, versions, expiry, handshakes that fail, other host names.
 * Certificates are made on the spot; the peer's identity is that of the recorded network.
 */
import { readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as tls from "node:tls"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { beforeAll, describe, expect } from "vitest"
import type { Signer } from "../../../src/msp/index.js"
import { connect } from "../../../src/transport/index.js"
import { authority, type IssueOptions, type Pair } from "../../transport/material.js"
import { chainInfo, join as joinChannel, statusOf } from "../node/calls.js"
import { freePort } from "../node/process.js"
import { recordedBlocks, serveChain } from "../node/serveChain.js"
import { type StartOptions, startPeer, tempFolder } from "../node/support.js"
import { genesisBlock, nodeFolder, person, until } from "../support.js"

const ca = authority("ca.org1")
const issue = (name: string, options: IssueOptions = {}): Pair => ca.issue(name, options)

let admin: Signer
beforeAll(async () => {
  admin = await person("Org1MSP", "Admin")
})

const put = (folder: string, name: string, { certificate, key }: Pair): void => {
  writeFileSync(join(folder, `${name}.crt`), certificate)
  writeFileSync(join(folder, `${name}.key`), key)
}

/** A peer whose TLS files lie in its folder. */
const environmentOf = (folder: string): Readonly<Record<string, string>> => {
  writeFileSync(join(folder, "ca.crt"), ca.certificate)
  return {
    CORE_PEER_TLS_ENABLED: "true",
    CORE_PEER_TLS_CERT_FILE: join(folder, "server.crt"),
    CORE_PEER_TLS_KEY_FILE: join(folder, "server.key"),
    CORE_PEER_TLS_ROOTCERT_FILE: join(folder, "ca.crt")
  }
}

const begin = (folder: string, pair: Pair, more: Partial<StartOptions> = {}) => {
  put(folder, "server", pair)
  return startPeer({ folder, ...more, environment: { ...environmentOf(folder), ...more.environment } })
}

interface Seen {
  readonly protocol: string
  readonly cipher: string
  readonly certificate: string
}

/** A bare handshake: what it came to, or the error. */
const handshake = (address: string, options: tls.ConnectionOptions = {}): Effect.Effect<Seen | string> =>
  Effect.async((resume) => {
    const socket = tls.connect({
      host: "127.0.0.1",
      port: Number(address.split(":").at(-1)),
      ca: Buffer.from(ca.certificate),
      ALPNProtocols: ["h2", "http/1.1"],
      ...options
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
    socket.once("error", (error) => resume(Effect.succeed(error.message)))
    return Effect.sync(() => socket.destroy())
  })

const hex = ({ der }: Pair): string => Buffer.from(der).toString("hex")
const shows = (address: string, pair: Pair, options: tls.ConnectionOptions = {}): Effect.Effect<Seen> =>
  Effect.repeat(handshake(address, options), {
    until: (seen): seen is Seen => typeof seen !== "string" && seen.certificate === hex(pair)
  })

describe("new certificates without a restart", () => {
  it.scopedLive(
    "serve all servers of the peer, with versions and suites as before; a pair that does not fit changes nothing",
    () =>
      Effect.gen(function* () {
        const folder = yield* tempFolder
        const [first, second, third] = [issue("peer0"), issue("peer0"), issue("peer0")]
        const port = yield* freePort
        const adminServer = `127.0.0.1:${port}`
        put(folder, "operations", first)
        const peer = yield* begin(folder, first, {
          environment: {
            CORE_PEER_TLS_RELOADINTERVAL: "20ms",
            CORE_PEER_ADMINSERVICE_LISTENADDRESS: adminServer,
            CORE_OPERATIONS_TLS_ENABLED: "true",
            CORE_OPERATIONS_TLS_CERT_FILE: join(folder, "operations.crt"),
            CORE_OPERATIONS_TLS_KEY_FILE: join(folder, "operations.key")
          }
        })
        const open = yield* peer.connect({ tls: { rootCerts: [ca.certificate] } })
        const check = (address: string, pair: Pair) =>
          Effect.gen(function* () {
            const seen = yield* shows(address, pair)
            expect(seen.protocol).toBe("TLSv1.2")
            expect(seen.cipher).toMatch(/^ECDHE-ECDSA-AES(128|256)-GCM/)
            expect(yield* handshake(address, { minVersion: "TLSv1.3" })).toBeTypeOf("string")
            expect(yield* handshake(address, { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA" })).toBeTypeOf(
              "string"
            )
          })
        for (const address of [peer.address, adminServer]) yield* check(address, first)

        put(folder, "server", second)
        for (const address of [peer.address, adminServer]) yield* check(address, second)
        expect(peer.lines.join("")).toContain("server TLS certificate reloaded")

        // half a pair: told once, the old one stays; then the other half comes
        writeFileSync(join(folder, "server.crt"), third.certificate)
        yield* until(() => peer.lines.some((line) => line.includes("the server TLS certificate is not reloaded")))
        yield* Effect.sleep("100 millis")
        for (const address of [peer.address, adminServer]) yield* check(address, second)
        expect(peer.lines.filter((line) => line.includes("the server TLS certificate is not reloaded"))).toHaveLength(1)
        writeFileSync(join(folder, "server.key"), third.key)
        for (const address of [peer.address, adminServer]) yield* check(address, third)

        put(folder, "operations", second)
        yield* shows(peer.operations, second)
        // who was connected all along still is
        expect(statusOf(yield* joinChannel(open, admin, genesisBlock()))).toBe("200")
      }),
    180_000
  )

  it.scopedLive("are found behind links that move, as mounted secrets do", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const [first, second] = [issue("peer0"), issue("peer0")]
      put(folder, "one", first)
      put(folder, "two", second)
      const link = (to: string, name: string) => {
        symlinkSync(join(folder, to), join(folder, `${name}.new`))
        renameSync(join(folder, `${name}.new`), join(folder, name))
      }
      link("one.crt", "live.crt")
      link("one.key", "live.key")
      const peer = yield* begin(folder, first, {
        environment: {
          CORE_PEER_TLS_RELOADINTERVAL: "20ms",
          CORE_PEER_TLS_CERT_FILE: join(folder, "live.crt"),
          CORE_PEER_TLS_KEY_FILE: join(folder, "live.key")
        }
      })
      yield* shows(peer.address, first)
      link("two.crt", "live.crt")
      link("two.key", "live.key")
      yield* shows(peer.address, second)
    })
  )

  it.scopedLive("are left alone unless asked for", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const first = issue("peer0")
      const peer = yield* begin(folder, first)
      put(folder, "server", issue("peer0"))
      yield* Effect.sleep("200 millis")
      yield* shows(peer.address, first)
    })
  )

  it.scopedLive("the peer's own: shown to orderers on connections from then on, and what requests are bound to", () =>
    Effect.gen(function* () {
      const material = join(nodeFolder("OrdererMSP", "orderer"), "tls")
      const orderer = yield* serveChain(recordedBlocks.slice(0, 2), {
        tls: {
          certificate: readFileSync(join(material, "server.crt")),
          key: readFileSync(join(material, "server.key")),
          requireClientCert: true,
          clientRootCAs: [ca.certificate]
        }
      })
      const folder = yield* tempFolder
      put(folder, "client", authority("stranger").issue("peer0"))
      const peer = yield* begin(folder, issue("peer0"), {
        orderer: orderer.address,
        environment: {
          CORE_PEER_TLS_RELOADINTERVAL: "20ms",
          CORE_PEER_TLS_CLIENTCERT_FILE: join(folder, "client.crt"),
          CORE_PEER_TLS_CLIENTKEY_FILE: join(folder, "client.key")
        }
      })
      const client = yield* peer.connect({ tls: { rootCerts: [ca.certificate] } })
      expect(statusOf(yield* joinChannel(client, admin, genesisBlock()))).toBe("200")
      yield* until(() => peer.lines.some((line) => line.includes("Failed connecting to")))
      expect(orderer.requests()).toBe(0)
      put(folder, "client", issue("peer0"))
      // the orderer requires the hash in the request to be that of the connection's certificate
      yield* peer.table.get("mychannel")?.pipeline.reached(2n) ?? Effect.die("not joined")
      expect(peer.lines.join("")).toContain("client TLS certificate reloaded")
      expect((yield* chainInfo(client, admin)).height).toBe(2n)
    })
  )
})

describe("versions", () => {
  it.scopedLive("TLS 1.3 by a key of ours, also after a reload", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const [first, second] = [issue("peer0"), issue("peer0")]
      const peer = yield* begin(folder, first, {
        environment: { CORE_PEER_TLS_MAXVERSION: "1.3", CORE_PEER_TLS_RELOADINTERVAL: "20ms" }
      })
      expect((yield* shows(peer.address, first)).protocol).toBe("TLSv1.3")
      expect((yield* shows(peer.address, first, { maxVersion: "TLSv1.2" })).protocol).toBe("TLSv1.2")
      put(folder, "server", second)
      expect((yield* shows(peer.address, second)).protocol).toBe("TLSv1.3")
    })
  )
})

describe("certificates that end", () => {
  const day = 86_400_000
  it.scopedLive("are told of at the start: at the end of the week, and when they have ended", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const soon = issue("peer0", { notAfter: Date.now() + 3 * day + 5 * 3_600_000 + 60_000 })
      put(folder, "client", issue("peer0", { notBefore: Date.now() - 2 * day, notAfter: Date.now() - day }))
      const peer = yield* begin(folder, soon, {
        environment: {
          CORE_PEER_TLS_CLIENTCERT_FILE: join(folder, "client.crt"),
          CORE_PEER_TLS_CLIENTKEY_FILE: join(folder, "client.key")
        }
      })
      const said = peer.lines.filter((line) => line.includes("[certmonitor]")).join("")
      expect(said).toContain("The server TLS certificate expires within 3 days and 5 hours")
      expect(said).toContain("The client TLS certificate has expired")
      expect(said).toMatch(/The enrollment certificate will expire on 20\d\d-\d\d-\d\d /)
    })
  )

  it.scopedLive("are judged anew when they are reloaded", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const peer = yield* begin(folder, issue("peer0", { notAfter: Date.now() + 30 * day }), {
        environment: { CORE_PEER_TLS_RELOADINTERVAL: "20ms" }
      })
      expect(peer.lines.join("")).not.toContain("expires within")
      put(folder, "server", issue("peer0", { notAfter: Date.now() + 2 * day + 60_000 }))
      yield* until(() =>
        peer.lines.some((line) => line.includes("The server TLS certificate expires within 2 days and 0 hours"))
      )
    })
  )
})

describe("handshakes that fail", () => {
  it.scopedLive("are one line of the log each, with the caller's address and the reason", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const peer = yield* begin(folder, issue("peer0"), {
        environment: { CORE_PEER_TLS_CLIENTAUTHREQUIRED: "true" }
      })
      yield* handshake(peer.address, { minVersion: "TLSv1.3" })
      yield* handshake(peer.address, {
        minVersion: "TLSv1",
        maxVersion: "TLSv1.1",
        ciphers: "DEFAULT@SECLEVEL=0"
      })
      const failures = () => peer.lines.filter((line) => line.includes("Server TLS handshake failed with error"))
      yield* until(() => failures().length === 2)
      // no certificate, and one of nobody known
      yield* Effect.either(
        Effect.scoped(peer.connect({ connectTimeout: "1 second", tls: { rootCerts: [ca.certificate] } }))
      )
      const stranger = authority("stranger").issue("x")
      yield* Effect.either(
        Effect.scoped(
          peer.connect({
            connectTimeout: "1 second",
            tls: { rootCerts: [ca.certificate], clientCert: stranger.certificate, clientKey: stranger.key }
          })
        )
      )
      yield* until(() => failures().length >= 4)
      for (const line of failures()) {
        expect(line).toMatch(
          /^error \[core\.comm\] Server TLS handshake failed with error .*remote address=127\.0\.0\.1:\d+\n$/i
        )
        expect(line.trimEnd()).not.toMatch(/[\r\n]/)
      }
      // and nobody else is the worse for it
      const good = issue("user1")
      yield* Effect.scoped(
        peer.connect({ tls: { rootCerts: [ca.certificate], clientCert: good.certificate, clientKey: good.key } })
      )
    })
  )
})

describe("host names", () => {
  it.scopedLive("must be the certificate's, or that of the override", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const named = issue("peer0", { dns: ["peer0.org1.example.com"], noAddress: true })
      const peer = yield* begin(folder, named)
      const reach = (serverNameOverride?: string) =>
        Effect.either(
          Effect.scoped(
            connect(peer.address, {
              connectTimeout: "1 second",
              tls: {
                rootCerts: [ca.certificate],
                ...(serverNameOverride === undefined ? {} : { serverNameOverride })
              }
            })
          )
        )
      expect(Either.isRight(yield* reach("peer0.org1.example.com"))).toBe(true)
      expect(Either.isLeft(yield* reach())).toBe(true)
      expect(Either.isLeft(yield* reach("peer1.org1.example.com"))).toBe(true)
    })
  )
})

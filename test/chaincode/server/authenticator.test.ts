/** Certificates of the chaincode server, and who may register under which name. */
import { createHash, randomBytes, X509Certificate } from "node:crypto"
import * as tls from "node:tls"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as userRuntime from "../../../src/chaincode/runtimes/UserRuntime.js"
import { Authenticator, BINDING_LIFETIME } from "../../../src/chaincode/server/Authenticator.js"
import { firstMessageFault } from "../../../src/chaincode/server/authenticated.js"
import { type ChaincodeCA, makeChaincodeCA } from "../../../src/chaincode/server/ChaincodeCA.js"
import { connect } from "../../../src/transport/index.js"
import { protos } from "../../../src/wire/index.js"
import * as services from "../../../src/wire/services.js"
import { message } from "../support/FakeStream.js"
import { TestPeer } from "../support/TestPeer.js"

const decode = (base64: string): Buffer => Buffer.from(base64, "base64")
const certificateOf = (credentials: { readonly clientCertificate: string }): X509Certificate =>
  new X509Certificate(decode(credentials.clientCertificate))
const register = (name: string) => message(1, { payload: protos.ChaincodeID.encode({ name }) })
const day = 24 * 3_600_000

describe("the authority", () => {
  let time = Date.UTC(2026, 0, 1)
  const ca = makeChaincodeCA({ now: () => time, randomBytes })

  it("names itself by its serial number and lives ten years", () => {
    const certificate = new X509Certificate(ca.certificate)
    expect(certificate.subject).toBe(`serialNumber=${BigInt(`0x${certificate.serialNumber}`)}`)
    expect(certificate.issuer).toBe(certificate.subject)
    expect(certificate.ca).toBe(true)
    expect(Date.parse(certificate.validFrom)).toBe(time - day)
    expect(Date.parse(certificate.validTo)).toBe(time + 3650 * day)
  })

  it.each([
    ["peer0.org1.example.com", "DNS:peer0.org1.example.com"],
    ["127.0.0.1", "IP Address:127.0.0.1"],
    ["::1", "IP Address:0:0:0:0:0:0:0:1"],
    ["2001:db8::7:0", "IP Address:2001:DB8:0:0:0:0:7:0"]
  ])("gives the server at %s a certificate for %s", (host, name) => {
    const certificate = new X509Certificate(ca.serverPair(host).certificate)
    expect(certificate.subjectAltName).toBe(name)
    expect(certificate.verify(new X509Certificate(ca.certificate).publicKey)).toBe(true)
  })

  it("gives chaincode a certificate for a day", () => {
    time += 5_000
    const pair = ca.clientPair()
    const certificate = new X509Certificate(pair.certificate)
    expect(Date.parse(certificate.validTo)).toBe(time + day)
    expect(pair.hash).toBe(createHash("sha256").update(certificate.raw).digest("hex"))
    expect(Buffer.from(pair.key).toString()).toMatch(/^-----BEGIN EC PRIVATE KEY-----\n/)
    expect(() =>
      tls.createSecureContext({ key: Buffer.from(pair.key), cert: Buffer.from(pair.certificate) })
    ).not.toThrow()
  })
})

describe("the authenticator", () => {
  let time = 0
  const ca = makeChaincodeCA({ now: Date.now, randomBytes })
  const make = (external?: (name: string) => boolean) => new Authenticator(ca, () => time, external)

  it("binds a certificate to a name for ten minutes", () => {
    const authenticator = make()
    const { raw } = certificateOf(authenticator.generate("cc:1"))
    const hash = `[${[...createHash("sha256").update(raw).digest()].join(" ")}]`
    expect(authenticator.refusal("cc:1", raw)).toBeUndefined()
    expect(authenticator.refusal("cc:1", raw)).toBeUndefined()
    expect(authenticator.refusal("other:1", raw)).toBe(
      `Chaincode other:1 with given certificate hash ${hash} belongs to a different chaincode`
    )
    expect(authenticator.refusal("cc:1", undefined)).toBe("TLS is active but chaincode cc:1 didn't send certificate")
    time += BINDING_LIFETIME - 1
    expect(authenticator.refusal("cc:1", raw)).toBeUndefined()
    time += 1
    expect(authenticator.refusal("cc:1", raw)).toBe(
      `Chaincode cc:1 with given certificate hash ${hash} not found in registry`
    )
  })

  it("lets the external certificate register what is installed", () => {
    const authenticator = make((name) => name === "installed:1")
    const { raw } = certificateOf(authenticator.generateExternal())
    time += 10 * BINDING_LIFETIME
    expect(authenticator.refusal("installed:1", raw)).toBeUndefined()
    expect(authenticator.refusal("absent:1", raw)).toContain("is not installed")
  })

  it("wants a REGISTER first", () => {
    const authenticator = make()
    const { raw } = certificateOf(authenticator.generate("cc:1"))
    expect(firstMessageFault(authenticator, register("cc:1"), raw)).toBeUndefined()
    expect(firstMessageFault(authenticator, message(18), raw)).toBe("First message needs to be a register")
    expect(firstMessageFault(authenticator, message(6), raw)).toBe("First message needs to be a register")
    expect(firstMessageFault(authenticator, Uint8Array.of(0xff), raw)).toBe("unexpected EOF")
    expect(firstMessageFault(authenticator, message(1, { payload: Uint8Array.of(0xff) }), raw)).toBe("unexpected EOF")
  })
})

describe("the TLS port", () => {
  let peer: TestPeer
  let authenticator: Authenticator
  beforeAll(async () => {
    peer = await TestPeer.start({ settings: { tlsEnabled: true, devMode: true }, runtime: userRuntime.layer })
    if (peer.server.authenticator === undefined) throw new Error("no TLS")
    authenticator = peer.server.authenticator
  })
  afterAll(() => peer.stop())

  interface Client {
    readonly clientKey: string
    readonly clientCertificate: string
    readonly rootCertificate: Uint8Array
  }

  /** Says these messages on a stream; the result is what came back, or the failure. */
  const say = (client: Client | undefined, messages: ReadonlyArray<Uint8Array>, root: Uint8Array, answers: number) =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const channel = yield* connect(peer.server.endpoint.address, {
            tls: {
              rootCerts: [root],
              ...(client === undefined
                ? {}
                : { clientCert: decode(client.clientCertificate), clientKey: decode(client.clientKey) })
            },
            connectTimeout: "2 seconds"
          })
          const stream = yield* channel.bidi(services.ChaincodeSupport.methods.Register)
          for (const bytes of messages) yield* stream.send(bytes)
          const types: Array<number> = []
          while (types.length < answers) {
            const answer = yield* stream.next
            if (answer === undefined) break
            types.push(protos.ChaincodeMessage.decode(answer).type)
          }
          return types
        }).pipe(
          Effect.either,
          Effect.map(Either.match({ onLeft: (error) => error.message, onRight: (types) => types }))
        )
      )
    )

  it("takes a registration with the certificate of that name", async () => {
    const client = authenticator.generate("cc:1")
    expect(await say(client, [register("cc:1")], client.rootCertificate, 2)).toEqual([2, 4])
  })

  it("refuses everyone else with the reference's texts", async () => {
    const client = authenticator.generate("cc:1")
    const root = client.rootCertificate
    expect(await say(client, [register("other:1")], root, 1)).toMatch(
      /^rpc error: code = Unknown desc = Chaincode other:1 with given certificate hash \[[\d ]+\] belongs to a different chaincode$/
    )
    expect(await say(client, [message(18), register("cc:1")], root, 1)).toBe(
      "rpc error: code = Unknown desc = First message needs to be a register"
    )
    // a certificate of the same authority that no launch belongs to: bound to a name, then forgotten
    expect(authenticator.refusal("x:1", Uint8Array.of(1))).toContain("not found in registry")
  })

  it("lets nobody through the handshake without a certificate of this authority", async () => {
    const { rootCertificate } = authenticator.generate("cc:1")
    const foreign: ChaincodeCA = makeChaincodeCA({ now: Date.now, randomBytes })
    const stranger = new Authenticator(foreign, () => 0).generate("cc:1")
    expect(await say(undefined, [register("cc:1")], rootCertificate, 1)).toMatch(
      /fail|unavailable|closed|reset|connection/i
    )
    expect(await say(stranger, [register("cc:1")], rootCertificate, 1)).toMatch(
      /fail|unavailable|closed|reset|connection/i
    )
    expect(Effect.runSync(peer.support.running)).toEqual([])
  })
})

/** A network that orders through a real Kafka broker. */

import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { type Network, type StartOptions, startNetwork } from "../../src/network/api.js"
import { Broker, type BrokerShape, layer as brokerLayer } from "../kafka/broker.js"
import { missing } from "../kafka/missing.js"
import { launch, programHome, run, sample } from "./program.js"
import { temporaryFolder } from "./support.js"

// a broker and chaincode are started: a busy machine takes its time
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 })
const at = temporaryFolder()

describe("without brokers", () => {
  it("refuses half of what a guarded broker asks for, and files that are not there", async () => {
    const kafka = { consensus: "kafka", brokers: ["127.0.0.1:1"] } as const
    const refused: ReadonlyArray<readonly [RegExp, StartOptions]> = [
      [/needs its key/, { ...kafka, brokerAccess: { tlsCa: "ca", tlsCert: "cert" } }],
      [/needs the authority/, { ...kafka, brokerAccess: { tlsCert: "cert", tlsKey: "key" } }],
      [/needs a password/, { ...kafka, brokerAccess: { user: "orderer" } }],
      [/are Kafka's \(choose --consensus kafka/, { brokerAccess: { tlsCa: "ca" } }],
      [/cannot read .*no-such-ca for Kafka: ENOENT/, { ...kafka, brokerAccess: { tlsCa: "no-such-ca" } }]
    ]
    for (const [why, options] of refused) await expect(startNetwork(options), String(why)).rejects.toThrow(why)
  })

  it("says that none is started here, and what to do", async () => {
    await expect(startNetwork({ consensus: "kafka" })).rejects.toThrow(
      /must be named: a broker is a Java program.*--brokers/
    )
    await expect(startNetwork({ consensus: "kafka", brokers: ["nowhere"] })).rejects.toThrow(/'nowhere' is no broker/)
    await expect(startNetwork({ brokers: ["127.0.0.1:9092"] })).rejects.toThrow(/--consensus kafka/)
  })
})

describe.skipIf(missing !== undefined)("with a broker", () => {
  const home = programHome()
  let scope: Scope.CloseableScope
  let address: string
  let broker: BrokerShape
  beforeAll(async () => {
    scope = await Effect.runPromise(Scope.make())
    const context = await Effect.runPromise(Layer.buildWithScope(brokerLayer(), scope))
    broker = Context.get(context, Broker)
    address = broker.address
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  it("startNetwork orders through it, grows, and carries on after a restart", async () => {
    const dir = at("api")
    const settings = { dir, channel: "viaapi", batchTimeout: 50 }
    let network: Network = await startNetwork({
      ...settings,
      consensus: "kafka",
      brokers: [address],
      chaincodes: [{ path: sample, name: "assets" }]
    })
    try {
      await network.contract("assets").submit("CreateAsset", "a1", "blue", "1", "Ann", "5")
      await network.createChannel("viaapi-further")
      expect(network.channels).toEqual(["viaapi", "viaapi-further"])
      await network.stop()
      await expect(startNetwork({ ...settings, consensus: "solo" })).rejects.toThrow(/its consensus is kafka on 127/)
      network = await startNetwork(settings)
      await network.contract("assets").submit("TransferAsset", "a1", "Tom")
      const read = await network.contract("assets").evaluate("ReadAsset", "a1")
      expect(JSON.parse(read.toString())).toMatchObject({ owner: "Tom" })
    } finally {
      await network.stop()
    }
  })

  it("startNetwork gets in by TLS with a certificate, and by name and password; a restart reads the files anew", async () => {
    const file = (name: string, content: string | Uint8Array) => {
      writeFileSync(at(name), content)
      return at(name)
    }
    const tls = {
      tlsCa: file("ca.pem", broker.authority.certificate),
      tlsCert: file("client.pem", broker.client.certificate),
      tlsKey: file("client.key", broker.client.key)
    }
    const sasl = { user: broker.user, passwordFile: file("password", `${broker.password}\n`) }
    for (const [name, brokers, brokerAccess] of [
      ["viatls", [broker.tlsAddress], tls],
      ["viasasl", [broker.saslAddress], sasl]
    ] as const) {
      const dir = at(name)
      const network = await startNetwork({ dir, channel: name, consensus: "kafka", brokers, brokerAccess })
      await network.createChannel(`${name}-further`)
      await network.stop()
      const kept = readFileSync(join(dir, "network.json"), "utf8")
      expect(JSON.parse(kept)).toMatchObject({ brokers, brokerAccess })
      expect(kept).not.toContain(broker.password)
    }
    const again = await startNetwork({ dir: at("viasasl") })
    await again.createChannel("viasasl-more")
    await again.stop()
  })

  it("up orders through it", async () => {
    const dir = at("up")
    const args = ["up", "--json", "--free-ports", "--dir", dir, "--channel", "viaup"]
    const program = join(home(), "network.mjs")
    const command = launch(program, [...args, "--consensus", "kafka", "--brokers", address], at("."))
    try {
      await command.event(({ event }) => event === "up")
      const steps = command.events().map(({ step }) => String(step))
      expect(steps).toEqual(expect.arrayContaining([expect.stringMatching(/^transaction .* VALID in block/)]))
      const made = await run(program, ["invoke", "--dir", dir, "CreateAsset", "k", "blue", "1", "Ann", "1"], at("."))
      expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining("VALID") })
    } finally {
      command.child.kill("SIGINT")
    }
    expect(await command.ended).toMatchObject({ code: 0, stderr: "" })
  })
})

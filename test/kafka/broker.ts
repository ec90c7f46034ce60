/**
 * A real Kafka broker: one KRaft node with plain, TLS and SASL/PLAIN listeners on free loopback ports, its data in a
 * temporary folder. Started and stopped at will; gone with its scope. Not a test.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Authority, authority, type Pair } from "../transport/material.js"
import { libsFolder } from "./libs.js"

export interface BrokerShape {
  /** host:port of the plain listener; the other listeners' alike. */
  readonly address: string
  /** TLS with client certificates of `authority`. */
  readonly tlsAddress: string
  /** SASL/PLAIN for `user`, `password`. */
  readonly saslAddress: string
  /** A listener that tells clients the first port, where a proxy must stand, and listens on the second. */
  readonly proxied: { readonly address: string; readonly port: number; readonly target: number }
  readonly authority: Authority
  readonly client: Pair
  readonly user: string
  readonly password: string
  /** Returns when the broker answers. */
  readonly start: Effect.Effect<void, Error>
  /** Kills it; what it had is still there at the next start. */
  readonly stop: Effect.Effect<void>
}

export class Broker extends Context.Tag("test/kafka/Broker")<Broker, BrokerShape>() {}

export interface BrokerOptions {
  /** Lines of server.properties beside ours, or in their place. */
  readonly properties?: Readonly<Record<string, string>>
}

const freePorts = (count: number): Effect.Effect<ReadonlyArray<number>> =>
  Effect.promise(async () => {
    const servers = await Promise.all(
      Array.from(
        { length: count },
        () =>
          new Promise<net.Server>((resolve, reject) => {
            const server = net.createServer()
            server.on("error", reject)
            server.listen(0, "127.0.0.1", () => resolve(server))
          })
      )
    )
    const ports = servers.map((server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 0
    })
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    return ports
  })

const java = (args: ReadonlyArray<string>): ChildProcess =>
  spawn(
    "java",
    [
      "-Xmx512m",
      "-XX:+UseSerialGC",
      "-XX:TieredStopAtLevel=1",
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
      "-cp",
      path.join(libsFolder, "*"),
      ...args
    ],
    { stdio: ["ignore", "pipe", "pipe"] }
  )

/** The end of what a process printed, and its exit. */
const watch = (child: ChildProcess) => {
  let text = ""
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      text = (text + chunk).slice(-200_000)
      for (const listener of listeners) listener()
    })
  }
  const ended = new Promise<number | string>((resolve) => {
    child.on("close", (code, signal) => resolve(code ?? String(signal)))
    child.on("error", (error) => resolve(error.message))
  })
  return { ended, listeners, text: () => text }
}

const faults = (text: string): string =>
  text
    .split("\n")
    .filter((line) => /ERROR|Exception/.test(line))
    .slice(0, 20)
    .join("\n")

const runJava = (args: ReadonlyArray<string>): Effect.Effect<void, Error> =>
  Effect.gen(function* () {
    const { ended, text } = watch(java(args))
    const code = yield* Effect.promise(() => ended)
    if (code !== 0) return yield* Effect.fail(new Error(`java ${args.join(" ")} ended with ${code}: ${text()}`))
  })

const quoted = (pem: Uint8Array) => Buffer.from(pem).toString().trim().replaceAll("\n", "\\n")

const make = (options: BrokerOptions) =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "kafka-"))),
      (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
    )
    const [plain = 0, tls = 0, sasl = 0, behind = 0, proxied = 0, controller = 0] = yield* freePorts(6)
    const ca = authority("kafka-ca")
    const server = ca.issue("kafka")
    const [user, password] = ["orderer", "orderer-secret"]
    const listeners = { PLAIN: plain, TLS: tls, SASL: sasl }
    const at = (ports: Readonly<Record<string, number>>) =>
      Object.entries(ports)
        .map(([name, port]) => `${name}://127.0.0.1:${port}`)
        .join(",")
    const login = "org.apache.kafka.common.security.plain.PlainLoginModule"
    const properties: Record<string, string> = {
      "process.roles": "broker,controller",
      "node.id": "1",
      "controller.quorum.voters": `1@127.0.0.1:${controller}`,
      listeners: at({ ...listeners, PROXIED: behind, CONTROLLER: controller }),
      "advertised.listeners": at({ ...listeners, PROXIED: proxied }),
      "controller.listener.names": "CONTROLLER",
      "inter.broker.listener.name": "PLAIN",
      "listener.security.protocol.map":
        "PLAIN:PLAINTEXT,TLS:SSL,SASL:SASL_PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
      "listener.name.tls.ssl.keystore.type": "PEM",
      "listener.name.tls.ssl.keystore.certificate.chain": quoted(server.certificate),
      "listener.name.tls.ssl.keystore.key": quoted(server.key),
      "listener.name.tls.ssl.truststore.type": "PEM",
      "listener.name.tls.ssl.truststore.certificates": quoted(ca.certificate),
      "listener.name.tls.ssl.client.auth": "required",
      "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
      "listener.name.sasl.plain.sasl.jaas.config": `${login} required user_${user}="${password}";`,
      "log.dirs": path.join(folder, "data"),
      "auto.create.topics.enable": "false",
      "offsets.topic.num.partitions": "1",
      "offsets.topic.replication.factor": "1",
      "transaction.state.log.replication.factor": "1",
      "transaction.state.log.min.isr": "1",
      "group.initial.rebalance.delay.ms": "0",
      // a killed broker is let in again only when its session is over
      "broker.session.timeout.ms": "3000",
      "broker.heartbeat.interval.ms": "500",
      "log.retention.check.interval.ms": "1000",
      "log.segment.delete.delay.ms": "0",
      ...options.properties
    }
    const file = path.join(folder, "server.properties")
    fs.writeFileSync(
      file,
      Object.entries(properties)
        .map(([key, value]) => `${key}=${value}\n`)
        .join("")
    )
    const bytes = randomBytes(16)
    bytes.writeUInt8(bytes.readUInt8(0) & 0x7f, 0) // the id begins with a letter: one with "-" would be taken for an option
    const id = bytes.toString("base64url")
    yield* runJava(["kafka.tools.StorageTool", "format", "-t", id, "-c", file])

    let running: { readonly child: ChildProcess; readonly ended: Promise<unknown> } | undefined
    const stop = Effect.promise(async () => {
      const current = running
      running = undefined
      current?.child.kill("SIGKILL")
      await current?.ended
    })
    const start = Effect.suspend(() => {
      const child = java(["kafka.Kafka", file])
      const { ended, listeners: told, text } = watch(child)
      running = { child, ended }
      const ready = Effect.async<void>((resume) => {
        const look = () => {
          if (text().includes("Kafka Server started")) resume(Effect.void)
        }
        told.add(look)
        look()
      })
      const died = Effect.flatMap(
        Effect.promise(() => ended),
        (code) => Effect.fail(new Error(`the broker ended with ${code}: ${faults(text())}`))
      )
      return Effect.raceFirst(ready, died)
    })
    yield* Effect.addFinalizer(() => stop)
    return Broker.of({
      address: `127.0.0.1:${plain}`,
      tlsAddress: `127.0.0.1:${tls}`,
      saslAddress: `127.0.0.1:${sasl}`,
      proxied: { address: `127.0.0.1:${proxied}`, port: proxied, target: behind },
      authority: ca,
      client: ca.issue("orderer"),
      user,
      password,
      start,
      stop
    })
  })

/** A broker that is not started yet. */
export const layerStopped = (options: BrokerOptions = {}): Layer.Layer<Broker, Error> =>
  Layer.scoped(Broker, make(options))

/** A broker that runs. */
export const layer = (options: BrokerOptions = {}): Layer.Layer<Broker, Error> =>
  Layer.tap(layerStopped(options), (context) => Context.get(context, Broker).start)

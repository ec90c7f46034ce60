/**
 * Identities: signatures, deserialization, principals, cached and not, and the making of a small network's material. Run:
 * npx vite-node bench/identity.bench.ts. One JSON line per case; `value` is the median of several rounds. The floors of
 * design.md section 5 are 47 us for a verification and 17 us for a signature in line.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { parseCertificatePem } from "../src/crypto/index.js"
import { loadLocalMsp, MspCollector, verifyingMspConfig, X509Msp } from "../src/msp/index.js"
import { setupFromBytes } from "../src/msp/setup.js"
import { type CryptoConfig, generate, organizationSpec } from "../src/tools/cryptogen/index.js"
import { common, msp } from "../src/wire/index.js"

/** One measured case. */
export interface Row {
  readonly name: string
  readonly unit: "per second" | "ms"
  readonly value: number
}

const ROUNDS = 7

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

/** Calls per second of a synchronous function. */
const rate = (name: string, calls: number, call: (i: number) => unknown): Row => {
  for (let i = 0; i < calls; i++) call(i)
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = performance.now()
    for (let i = 0; i < calls; i++) call(i)
    return (calls * 1000) / (performance.now() - start)
  })
  return { name, unit: "per second", value: Math.round(median(rounds)) }
}

/** Calls per second of an asynchronous function, this many in flight. */
const pooledRate = async (name: string, calls: number, call: () => Promise<unknown>): Promise<Row> => {
  const rounds: Array<number> = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    let left = calls
    const worker = async () => {
      while (left-- > 0) await call()
    }
    await Promise.all(Array.from({ length: 64 }, worker))
    rounds.push((calls * 1000) / (performance.now() - start))
  }
  return { name, unit: "per second", value: Math.round(median(rounds)) }
}

const ONE = { count: 1, start: 0, hostname: "", sans: ["127.0.0.1"] }
const NETWORK: CryptoConfig = {
  ordererOrgs: [organizationSpec({ domain: "orderer.test", enableNodeOUs: true, template: ONE })],
  peerOrgs: [organizationSpec({ domain: "org.test", enableNodeOUs: true, template: ONE, users: { count: 1 } })]
}

/** Measures every case; takes a few seconds. */
export const run = async (): Promise<ReadonlyArray<Row>> => {
  const base = mkdtempSync(join(tmpdir(), "bench-"))
  try {
    return await measure(base)
  } finally {
    rmSync(base, { recursive: true })
  }
}

const measure = async (base: string): Promise<ReadonlyArray<Row>> => {
  const times: Array<number> = []
  for (let i = 0; i < ROUNDS; i++) {
    const start = performance.now()
    await Effect.runPromise(generate(NETWORK, join(base, String(i))))
    times.push(performance.now() - start)
  }
  const org = join(base, "0", "peerOrganizations", "org.test")
  const { signer } = await Effect.runPromise(
    loadLocalMsp({ dir: join(org, "peers", "peer0.org.test", "msp"), mspId: "OrgMSP" })
  )
  const config = Either.getOrThrow(verifyingMspConfig(join(org, "msp"), "OrgMSP"))
  const collector = new MspCollector({ version: "1.4.3" })
  Either.getOrThrow(collector.propose(config))
  const manager = collector.manager()
  const state = Either.getOrThrow(setupFromBytes(config.config, { version: "1.4.3", now: Date.now() }))
  const creator = signer.serialized
  const { idBytes } = msp.SerializedIdentity.decode(creator)
  const principal = common.MSPPrincipal.create({
    principalClassification: common.MSPPrincipal_Classification.ROLE,
    principal: common.MSPRole.encode({ mspIdentifier: "OrgMSP", role: common.MSPRole_MSPRoleType.PEER })
  })
  const identity = Either.getOrThrow(manager.deserializeIdentity(creator))
  const message = Buffer.alloc(1024, 1)
  const signature = signer.sign(message)
  return [
    rate("verify, in line", 500, () => identity.verify(message, signature)),
    await pooledRate("verify, thread pool", 1000, () => identity.verifyAsync(message, signature)),
    rate("sign, in line", 500, () => signer.sign(message)),
    await pooledRate("sign, thread pool", 1000, () => signer.signAsync(message)),
    rate("parse a certificate", 300, () => parseCertificatePem(idBytes)),
    rate("deserialize, new to the MSP", 200, () => new X509Msp(state).deserializeIdentity(Uint8Array.from(creator))),
    rate("deserialize, known", 20_000, () => manager.deserializeIdentity(creator)),
    rate("deserialize and principal, new to the MSP", 100, () => {
      const fresh = new X509Msp(Either.getOrThrow(setupFromBytes(config.config, { version: "1.4.3", now: Date.now() })))
      fresh.satisfiesPrincipal(Either.getOrThrow(fresh.deserializeIdentity(creator)), principal)
    }),
    rate("principal, known", 20_000, () => manager.satisfiesPrincipal(identity, principal)),
    rate("set up a channel MSP", 100, () => setupFromBytes(config.config, { version: "1.4.3", now: Date.now() })),
    { name: "cryptogen: one orderer, one peer, admins, a user", unit: "ms", value: Math.round(median(times) * 10) / 10 }
  ]
}

// vite-node hides the script from argv: when it is the program, this file is what was asked for.
if (process.argv[1]?.endsWith("vite-node") === true) {
  for (const row of await run()) console.log(JSON.stringify(row))
}

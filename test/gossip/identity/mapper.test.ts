import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import { Identities, IdentityMapper, type IdentityMapperOptions } from "../../../src/gossip/identity/index.js"
import { Security, type SecurityShape, SystemTimers, type Timers } from "../../../src/gossip/index.js"
import { sha256, toHex, toText, utf8 } from "../../../src/wire/bytes.js"

/** A clock that moves when told. */
class ManualTimers implements Timers {
  private at = 1_000_000
  private count = 0n
  private readonly tasks = new Set<{ at: number; task: () => void; every: number | undefined }>()
  readonly now = (): number => this.at
  readonly monotonic = (): number => this.at
  readonly nanos = (): bigint => (this.count += 1n)
  readonly after = (ms: number, task: () => void): (() => void) => this.add(ms, task, undefined)
  readonly every = (ms: number, task: () => void): (() => void) => this.add(ms, task, ms)
  private add(ms: number, task: () => void, every: number | undefined): () => void {
    const entry = { at: this.at + ms, task, every }
    this.tasks.add(entry)
    return () => void this.tasks.delete(entry)
  }
  get pending(): number {
    return this.tasks.size
  }
  advance(ms: number): void {
    const end = this.at + ms
    for (;;) {
      const next = [...this.tasks].sort((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > end) break
      this.at = next.at
      if (next.every === undefined) this.tasks.delete(next)
      else next.at += next.every
      next.task()
    }
    this.at = end
  }
}

const hour = 3_600_000
/** Identities here are texts `org/name`; those of `invalid` do not validate. */
const world = (options: { readonly maxIdentities?: number } = {}) => {
  const timers = new ManualTimers()
  const invalid = new Set<string>()
  const expiries = new Map<string, number>()
  const security: IdentityMapperOptions["security"] = {
    identity: utf8("org1/self"),
    pkiIdOf: (identity) => sha256(identity),
    orgOf: (identity) => toText(identity).split("/")[0],
    validateIdentity: (identity) =>
      invalid.has(toText(identity)) ? Either.left({ message: "it is revoked" }) : Either.void,
    expiresAt: (identity) => expiries.get(toText(identity)),
    verify: (identity, signature) =>
      toText(signature) === toText(identity) ? Either.void : Either.left({ message: "bad signature" })
  }
  const mapper = Either.getOrThrowWith(
    IdentityMapper.make({ timers, security, ...options }),
    (e) => new Error(e.message)
  )
  const removed: Array<string> = []
  mapper.onRemoved(({ identity }) => removed.push(toText(identity)))
  const put = (name: string) => mapper.put(sha256(utf8(name)), utf8(name))
  const get = (name: string) => mapper.get(sha256(utf8(name)))
  return { timers, invalid, expiries, mapper, removed, put, get, security }
}
const refusal = (result: Either.Either<void, { message: string }>): string =>
  Either.isLeft(result) ? result.left.message : "accepted"

describe("the identity mapper", () => {
  it("keeps validated identities under their computed PKI-ID, with their organisation", () => {
    const { put, get, mapper } = world()
    expect(refusal(put("org2/peer"))).toBe("accepted")
    expect(get("org2/peer")).toMatchObject({ org: "org2", identity: utf8("org2/peer") })
    expect(mapper.all().map(({ org }) => org)).toEqual(["org1", "org2"])
    expect(toHex(mapper.pkiId)).toBe(toHex(sha256(utf8("org1/self"))))
  })

  it("refuses with the reference's texts, in its order", () => {
    const { mapper, invalid, expiries, put, timers } = world()
    const none = new Uint8Array()
    expect(refusal(mapper.put(none, none))).toBe("PKIID is nil")
    expect(refusal(mapper.put(utf8("x"), none))).toBe("identity is nil")
    invalid.add("org2/bad")
    expect(refusal(mapper.put(utf8("x"), utf8("org2/bad")))).toBe("failed classifying identity: it is revoked")
    expiries.set("org2/old", timers.now() - 1)
    expect(refusal(mapper.put(utf8("x"), utf8("org2/old")))).toBe("identity doesn't match the computed pkiID")
    expect(refusal(put("org2/old"))).toBe("identity expired")
    expect(refusal(mapper.verify(utf8("x"), none, none))).toBe("PKIID wasn't found")
    expect(mapper.size).toBe(1)
  })

  it("does not change what it knows, and validates what it is given even then", () => {
    const { put, get, invalid } = world()
    put("org2/peer")
    const before = get("org2/peer")
    expect(refusal(put("org2/peer"))).toBe("accepted")
    expect(get("org2/peer")).toBe(before)
    invalid.add("org2/peer")
    expect(refusal(put("org2/peer"))).toMatch(/it is revoked/)
    expect(get("org2/peer")).toBe(before)
  })

  it("verifies signatures by PKI-ID", () => {
    const { put, mapper } = world()
    put("org2/peer")
    const id = sha256(utf8("org2/peer"))
    expect(refusal(mapper.verify(id, utf8("org2/peer"), utf8("m")))).toBe("accepted")
    expect(refusal(mapper.verify(id, utf8("other"), utf8("m")))).toBe("bad signature")
  })

  it("drops an identity a millisecond after its end", () => {
    const { put, get, expiries, timers, removed } = world()
    expiries.set("org2/peer", timers.now() + 5000)
    put("org2/peer")
    timers.advance(5000)
    expect(get("org2/peer")).toBeDefined()
    timers.advance(1)
    expect(get("org2/peer")).toBeUndefined()
    expect(removed).toEqual(["org2/peer"])
  })

  it("purges what nobody asked for in an hour, but never the own", () => {
    const { put, get, timers, removed, mapper } = world()
    put("org2/used")
    put("org2/idle")
    for (let i = 0; i < 12; i++) {
      timers.advance(hour / 10)
      get("org2/used")
    }
    expect(removed).toEqual(["org2/idle"])
    timers.advance(5 * hour)
    expect(removed).toEqual(["org2/idle", "org2/used"])
    expect(mapper.size).toBe(1)
    expect(get("org1/self")).toBeDefined()
  })

  it("validates suspects again and removes those that fail, telling its listeners", () => {
    const { put, mapper, invalid, removed, timers } = world()
    for (const name of ["org2/a", "org2/b", "org3/a"]) put(name)
    invalid.add("org2/a")
    invalid.add("org3/a")
    mapper.suspect((identity) => toText(identity).startsWith("org2/"))
    expect(removed).toEqual(["org2/a"])
    mapper.suspect(() => true)
    expect(removed).toEqual(["org2/a", "org3/a"])
    mapper.stop()
    expect(timers.pending).toBe(0)
  })

  it("holds a bounded number; the one unused longest makes room", () => {
    const { put, get, mapper, removed, timers } = world({ maxIdentities: 3 })
    for (const name of ["o/1", "o/2", "o/3"]) {
      put(name)
      timers.advance(1)
    }
    get("o/1")
    timers.advance(1)
    put("o/4")
    expect(removed).toEqual(["o/2"])
    for (let i = 5; i < 1000; i++) {
      timers.advance(1)
      put(`o/${i}`)
    }
    expect(mapper.size).toBe(4)
    expect(get("org1/self")).toBeDefined()
  })

  it("cannot be made with an own identity that does not hold", () => {
    const { timers, security } = world()
    const broken = { ...security, validateIdentity: () => Either.left({ message: "it is revoked" }) }
    const made = IdentityMapper.make({ timers, security: broken })
    expect(Either.isLeft(made) && made.left.message).toBe(
      "Failed putting our own identity into the identity mapper: failed classifying identity: it is revoked"
    )
  })
})

describe("the node's mapper", () => {
  const build = (security: SecurityShape) =>
    Effect.runPromise(
      Effect.scoped(
        Layer.build(
          Identities.layer.pipe(Layer.provide(SystemTimers.layer), Layer.provide(Layer.succeed(Security, security)))
        )
      ).pipe(
        Effect.map((context) => Context.get(context, Identities).size),
        Effect.either
      )
    )
  const whole = (): SecurityShape => ({
    ...world().security,
    sign: (bytes) => bytes,
    verifyByChannel: () => Either.void,
    verifyBlock: () => Either.void
  })

  it("starts with the own identity, or not at all", async () => {
    expect(await build(whole())).toEqual(Either.right(1))
    const refused = await build({ ...whole(), validateIdentity: () => Either.left({ message: "it has expired" }) })
    expect(Either.isLeft(refused) && refused.left.message).toMatch(/own identity .*it has expired$/)
  })
})

/** Filters, decorators and plugins: the built-in ones, and those of JavaScript modules. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { CoreConfig } from "../../src/config/index.js"
import type { Signer } from "../../src/msp/index.js"
import { decorate } from "../../src/peer/endorser/decorators.js"
import { expirationCheck } from "../../src/peer/endorser/filters.js"
import { PluginEndorser } from "../../src/peer/endorser/plugins.js"
import { makeHandlers } from "../../src/peer/handlers/Library.js"
import { checkTransaction, openTransaction, type PluginInput } from "../../src/validation/index.js"
import { common, protos } from "../../src/wire/index.js"
import { concatBytes, toHex, utf8 } from "../../src/wire/protoutil.js"
import { bytesOf, chainA, firstBundle, person, signedProposal } from "./support.js"

let signer: Signer
let folder: string
beforeAll(async () => {
  signer = await person("Org1MSP", "User1")
  folder = mkdtempSync(join(tmpdir(), "handlers-"))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type HandlersConfig = CoreConfig["peer"]["handlers"]
const none: HandlersConfig = { authFilters: [], decorators: [], endorsers: new Map(), validators: new Map() }
const make = (parts: Partial<HandlersConfig>) =>
  Effect.runPromise(Effect.either(makeHandlers({ ...none, ...parts }, signer)))
const made = async (parts: Partial<HandlersConfig>) => Either.getOrThrow(await make(parts))
const refusal = async (parts: Partial<HandlersConfig>) =>
  Either.match(await make(parts), { onLeft: (error) => error.message, onRight: () => "ok" })

const module = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
/** What a validation plugin gets: a recorded transaction in an empty state. */
const pluginInput = (): PluginInput => {
  for (const name of readdirSync(join(chainA, "blocks")).sort())
    for (const entry of common.Block.decode(bytesOf(`blocks/${name}`)).data?.data ?? []) {
      const opened = openTransaction(entry)
      const transaction = Either.flatMap(opened, checkTransaction)
      if (Either.isLeft(opened) || Either.isLeft(transaction) || transaction.right._tag !== "Endorser") continue
      return {
        channel: "ch",
        block: 1n,
        position: 0,
        namespace: "cc",
        policy: new Uint8Array(),
        opened: opened.right,
        parts: transaction.right.parts,
        sets: [],
        endorsements: [],
        capabilities: firstBundle().application?.capabilities ?? expect.fail("no application"),
        state: {
          getState: () => undefined,
          getStateMetadata: () => new Map(),
          getPrivateDataMetadataByHash: () => undefined
        },
        evaluate: () => undefined,
        parameterUpdated: () => false,
        verify: () => true
      }
    }
  return expect.fail("the recorded chain has no transaction")
}
const call = () => signedProposal({ channelId: "mychannel", chaincode: "cc", args: ["x"], signer })

describe("built in", () => {
  test("nothing is there that the configuration does not name", async () => {
    const handlers = await made({})
    expect([
      handlers.authFilters.length,
      handlers.decorators.length,
      handlers.endorsers.size,
      handlers.validators.size
    ]).toEqual([0, 0, 0, 0])
  })
  test("an unknown name", async () => {
    expect(await refusal({ authFilters: [{ name: "Nonsense", library: "" }] })).toBe(
      "Method Nonsense isn't a method of HandlerLibrary"
    )
    expect(await refusal({ endorsers: new Map([["escc", { name: "DefaultValidation", library: "" }]]) })).toBe(
      "Method DefaultValidation isn't a method of HandlerLibrary"
    )
  })
  test("the expiration filter looks at the creator's certificate", async () => {
    const filter = expirationCheck()
    const at = (now: number, signed = call()) =>
      Effect.runPromise(
        Effect.either(filter.check(signed)).pipe(
          Effect.withClock({
            ...Effect.runSync(Effect.clock),
            currentTimeMillis: Effect.succeed(now),
            unsafeCurrentTimeMillis: () => now
          })
        )
      )
    expect(Either.isRight(await at(signer.identity.expiresAt))).toBe(true)
    expect(await at(signer.identity.expiresAt + 1)).toMatchObject({ left: { message: "identity expired" } })
    const stranger = { ...signer, serialized: utf8("no certificate") }
    const foreign = signedProposal({ channelId: "", chaincode: "cc", args: [], signer: stranger })
    expect(Either.isRight(await at(Number.MAX_SAFE_INTEGER, foreign))).toBe(true)
    expect(await at(0, protos.SignedProposal.create({ proposalBytes: Uint8Array.of(0xff) }))).toMatchObject({
      left: { message: expect.stringMatching(/^failed parsing proposal: error unmarshaling Proposal: /) }
    })
  })
  test("the default endorsement signs payload and endorser; other names are refused", async () => {
    const { endorsers } = await made({ endorsers: new Map([["escc", { name: "DefaultEndorsement", library: "" }]]) })
    const plugins = new PluginEndorser(endorsers)
    const payload = utf8("payload")
    const { endorsement } = await Effect.runPromise(plugins.endorse("escc", "ch", payload, call()))
    expect(toHex(endorsement.endorser)).toBe(toHex(signer.serialized))
    expect(signer.identity.verify(concatBytes(payload, signer.serialized), endorsement.signature)).toBe(true)
    const failed = await Effect.runPromise(Effect.flip(plugins.endorse("mine", "ch", payload, call())))
    expect(failed.message).toBe("plugin with name mine could not be used: plugin with name mine wasn't found")
  })
})

describe("modules", () => {
  test("a filter", async () => {
    const library = module(
      "filter.mjs",
      `export function NewFilter() { return { async check(p) { if (p.proposalBytes.length > 0) throw new Error("not today") } } }`
    )
    const { authFilters } = await made({ authFilters: [{ name: "mine", library }] })
    const [filter] = authFilters
    expect((await Effect.runPromise(Effect.flip(filter?.check(call()) ?? Effect.die("none")))).message).toBe(
      "not today"
    )
    await Effect.runPromise(filter?.check(protos.SignedProposal.create({})) ?? Effect.die("none"))
  })
  test("a decorator adds bytes, nothing else gets through", async () => {
    const library = module(
      "decorator.mjs",
      `export const NewDecorator = () => ({ decorate: (p, d) => d.set("who", Buffer.from("me")).set("bad", 7) })`
    )
    const { decorators } = await made({
      decorators: [
        { name: "DefaultDecorator", library: "" },
        { name: "mine", library }
      ]
    })
    const decorations = decorate(decorators, protos.Proposal.create({}))
    expect([...decorations].map(([key, value]) => [key, Buffer.from(value).toString()])).toEqual([["who", "me"]])
  })
  test("an endorsement plugin, once per channel", async () => {
    const library = module(
      "endorse.mjs",
      `let made = 0
       export const NewPluginFactory = () => (channel, signer) => {
         made += 1
         return { endorse: async (payload) => ({ endorser: signer.serialized, signature: Buffer.from(channel + made), payload: Buffer.concat([payload, Buffer.from("+")]) }) }
       }`
    )
    const { endorsers } = await made({ endorsers: new Map([["mine", { name: "mine", library }]]) })
    const plugins = new PluginEndorser(endorsers)
    const on = (channel: string) => Effect.runPromise(plugins.endorse("mine", channel, utf8("p"), call()))
    const first = await on("a")
    expect(Buffer.from(first.payload).toString()).toBe("p+")
    expect(Buffer.from(first.endorsement.signature).toString()).toMatch(/^a/)
    expect(Buffer.from((await on("b")).endorsement.signature).toString()).toMatch(/^b/)
  })
  test("a validation plugin: passes, refuses, or stops the channel; one instance per channel", async () => {
    const library = module(
      "validate.mjs",
      `export const NewPluginFactory = () => (channel) => {
         let calls = 0
         return {
           validate: async ({ namespace }) => {
             calls += 1
             if (namespace === "refused") throw new Error(channel + " call " + calls)
             if (namespace === "stopped") throw Object.assign(new Error("the disk is full"), { name: "ExecutionFailure" })
           }
         }
       }`
    )
    const { validators } = await made({ validators: new Map([["mine", { name: "mine", library }]]) })
    const factory = validators.get("mine") ?? expect.fail("not loaded")
    const verdict = (plugin: ReturnType<typeof factory>, namespace: string) =>
      Effect.runPromise(
        Effect.match(plugin.validate({ ...pluginInput(), namespace }), {
          onSuccess: () => "valid",
          onFailure: (failure) => `${failure._tag}: ${failure.message}`
        })
      )
    const [one, two] = [factory("one"), factory("two")]
    expect(await verdict(one, "cc")).toBe("valid")
    expect(await verdict(one, "refused")).toBe("PolicyFailure: one call 2")
    expect(await verdict(two, "refused")).toBe("PolicyFailure: two call 1")
    expect(await verdict(two, "stopped")).toBe("ExecutionFailure: the disk is full")
  })
  test.each([
    ["a factory that throws", "() => { throw new Error('no state') }", "no state"],
    ["no plugin", "() => ({})", "Constructor method NewPluginFactory does not match expected definition"]
  ])("a validation plugin with %s", async (name, factory, text) => {
    const library = module(`${name}.mjs`, `export const NewPluginFactory = () => ${factory}`)
    const { validators } = await made({ validators: new Map([["mine", { name: "mine", library }]]) })
    const plugin = validators.get("mine")?.("ch") ?? expect.fail("not loaded")
    const failure = await Effect.runPromise(Effect.flip(plugin.validate(pluginInput())))
    expect(failure.message).toBe(text)
  })
  test.each([
    ["missing.mjs", undefined, /^Could not find plugin at path .*missing\.mjs: /],
    ["broken.mjs", "export const = ", /^Error opening plugin at path .*broken\.mjs: /],
    ["empty.mjs", "export const x = 1", /^Plugin must contain constructor with name NewFilter\. Error from lookup: /],
    [
      "shape.mjs",
      "export const NewFilter = () => 7",
      /^Constructor method NewFilter does not match expected definition$/
    ],
    ["throws.mjs", "export const NewFilter = () => { throw new Error('no') }", /^no$/]
  ])("%s is refused", async (name, text, reason) => {
    const library = text === undefined ? join(folder, name) : module(name, text)
    expect(await refusal({ authFilters: [{ name: "mine", library }] })).toMatch(reason)
  })
})

/**
 * Handlers from JavaScript modules, in the place of the reference's Go plugins. A module exports the constructor that Go
 * plugins export (`NewFilter`, `NewDecorator`, `NewPluginFactory`); what it makes is called with plain values and may
 * answer with promises. Nothing of a module is trusted to have the right shape, and nothing it throws gets past here.
 *
 *   NewFilter()        -> { check(signedProposal) }                 a throw refuses the proposal with its message
 *   NewDecorator()     -> { decorate(proposal, decorations) }       gives the decorations, a Map of bytes
 *   NewPluginFactory() -> (channel, signer) => { endorse(payload, signedProposal) }   gives { endorser, signature, payload? }
 *   NewPluginFactory() -> (channel) => { validate(input) }          a throw is a policy failure; one with
 *                                                                   `name = "ExecutionFailure"` stops the channel
 */
import { access } from "node:fs/promises"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import { goFileError } from "../../config/index.js"
import type { Signer } from "../../msp/index.js"
import { textOf } from "../../runtime/Stage.js"
import { ExecutionFailure, PolicyFailure, type ValidationPluginFactory } from "../../validation/index.js"
import { protos } from "../../wire/index.js"
import type { Decorator } from "../endorser/decorators.js"
import type { AuthFilterFactory } from "../endorser/filters.js"
import type { EndorsementPluginFactory } from "../endorser/plugins.js"
import { EndorsementFailed, ProposalRejected } from "../errors.js"
import { HandlerUnusable } from "./errors.js"

type Call = (...args: ReadonlyArray<unknown>) => unknown

/** A function as an unknown one may be called. */
const callable = (value: unknown, self: unknown): Call | undefined =>
  typeof value === "function" ? (...args) => Reflect.apply(value, self, [...args]) : undefined

/** A method of an object that is not known. */
const method = (object: unknown, name: string): Call | undefined =>
  typeof object === "object" && object !== null ? callable(Reflect.get(object, name), object) : undefined

const unusable = (reason: string, cause?: unknown) => new HandlerUnusable({ reason, cause })

/** Loads the module and runs its constructor. */
const construct = (library: string, constructor: string): Effect.Effect<unknown, HandlerUnusable> =>
  Effect.gen(function* () {
    const path = resolve(library)
    yield* Effect.tryPromise({
      try: () => access(path),
      catch: (error) => unusable(`Could not find plugin at path ${library}: ${goFileError(library, error)}`, error)
    })
    const module: unknown = yield* Effect.tryPromise({
      try: () => import(pathToFileURL(path).href),
      catch: (error) => unusable(`Error opening plugin at path ${library}: ${textOf(error)}`, error)
    })
    const make = method(module, constructor)
    if (make === undefined)
      return yield* unusable(
        `Plugin must contain constructor with name ${constructor}. Error from lookup: the module ${library} exports no such function`
      )
    return yield* Effect.try({ try: () => make(), catch: (error) => unusable(textOf(error), error) })
  })

const mismatch = (constructor: string) =>
  unusable(`Constructor method ${constructor} does not match expected definition`)

/** Calls something that may answer with a promise. */
const answer = (call: Call, ...args: ReadonlyArray<unknown>): Effect.Effect<unknown, unknown> =>
  Effect.tryPromise({ try: async () => call(...args), catch: (error) => error })

export const loadFilter = (library: string): Effect.Effect<AuthFilterFactory, HandlerUnusable> =>
  Effect.flatMap(construct(library, "NewFilter"), (made) => {
    const check = method(made, "check")
    if (check === undefined) return mismatch("NewFilter")
    return Effect.succeed(() => ({
      check: (signed) =>
        Effect.asVoid(
          Effect.mapError(answer(check, signed), (cause) => new ProposalRejected({ reason: textOf(cause), cause }))
        )
    }))
  })

/** Only text keys with bytes go on to chaincode. */
const decorationsOf = (value: unknown): ReadonlyMap<string, Uint8Array> => {
  const out = new Map<string, Uint8Array>()
  if (value instanceof Map)
    for (const [key, bytes] of value) if (typeof key === "string" && bytes instanceof Uint8Array) out.set(key, bytes)
  return out
}

export const loadDecorator = (library: string): Effect.Effect<Decorator, HandlerUnusable> =>
  Effect.flatMap(construct(library, "NewDecorator"), (made) => {
    const decorate = method(made, "decorate")
    if (decorate === undefined) return mismatch("NewDecorator")
    return Effect.succeed((proposal, decorations) => decorationsOf(decorate(proposal, new Map(decorations))))
  })

const bytesIn = (value: unknown, name: string): Uint8Array | undefined => {
  const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined
  return found instanceof Uint8Array ? found : undefined
}

export const loadEndorsement = (
  library: string,
  signer: Signer
): Effect.Effect<EndorsementPluginFactory, HandlerUnusable> =>
  Effect.flatMap(construct(library, "NewPluginFactory"), (made) => {
    const factory = callable(made, undefined)
    if (factory === undefined) return mismatch("NewPluginFactory")
    const identity = { serialized: signer.serialized, sign: (message: Uint8Array) => signer.sign(message) }
    return Effect.succeed((channel) => ({
      endorse: (payload, signed) =>
        Effect.gen(function* () {
          const endorse = method(yield* Effect.try(() => factory(channel, identity)), "endorse")
          if (endorse === undefined) return yield* mismatch("NewPluginFactory")
          const endorsed = yield* answer(endorse, payload, signed)
          const endorser = bytesIn(endorsed, "endorser")
          const signature = bytesIn(endorsed, "signature")
          if (endorser === undefined || signature === undefined)
            return yield* unusable("the plugin's answer has no endorser or no signature")
          return {
            endorsement: protos.Endorsement.create({ endorser, signature }),
            payload: bytesIn(endorsed, "payload") ?? payload
          }
        }).pipe(Effect.mapError((cause) => new EndorsementFailed({ reason: textOf(cause), cause })))
    }))
  })

export const loadValidation = (library: string): Effect.Effect<ValidationPluginFactory, HandlerUnusable> =>
  Effect.flatMap(construct(library, "NewPluginFactory"), (made) => {
    const factory = callable(made, undefined)
    if (factory === undefined) return mismatch("NewPluginFactory")
    return Effect.succeed((channel) => {
      let validate: Call | undefined
      return {
        validate: (input) =>
          Effect.suspend(() => {
            validate ??= method(factory(channel), "validate")
            return validate === undefined ? mismatch("NewPluginFactory") : answer(validate, input)
          }).pipe(
            Effect.catchAllDefect((defect) => Effect.fail(defect)),
            Effect.mapError((cause) =>
              cause instanceof HandlerUnusable || (cause instanceof Error && cause.name === "ExecutionFailure")
                ? new ExecutionFailure({ reason: textOf(cause), cause })
                : new PolicyFailure({ reason: textOf(cause) })
            ),
            Effect.asVoid
          )
      }
    })
  })

/**
 * The handlers library: authentication filters, decorators, endorsement and validation plugins by the names that the
 * configuration gives them. An entry without a library is built in; one with a library is a JavaScript module.
 * Source: peer-endorse-validate.md 2.6, trap 17; core/handlers/library.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { CoreConfig } from "../../config/index.js"
import type { Signer } from "../../msp/index.js"
import { defaultValidation, type ValidationPluginFactory } from "../../validation/index.js"
import { builtinDecorators, type Decorator } from "../endorser/decorators.js"
import { type AuthFilter, type AuthFilterFactory, builtinAuthFilters } from "../endorser/filters.js"
import { defaultEndorsement, type EndorsementPluginFactory } from "../endorser/plugins.js"
import { HandlerUnusable } from "./errors.js"
import { loadDecorator, loadEndorsement, loadFilter, loadValidation } from "./modules.js"

export interface HandlersShape {
  /** In the order of the configuration. */
  readonly authFilters: ReadonlyArray<AuthFilter>
  readonly decorators: ReadonlyArray<Decorator>
  /** By the name in chaincode definitions (`escc`). */
  readonly endorsers: ReadonlyMap<string, EndorsementPluginFactory>
  /** By the name in chaincode definitions (`vscc`). */
  readonly validators: ReadonlyMap<string, ValidationPluginFactory>
}

export class Handlers extends Context.Tag("peer/handlers/Library")<Handlers, HandlersShape>() {}

interface Entry {
  readonly name: string
  readonly library: string
}

/** Finds one entry: among the built-in ones, or in its module. */
const find = <A>(
  { library, name }: Entry,
  builtin: ReadonlyMap<string, A>,
  load: (library: string) => Effect.Effect<A, HandlerUnusable>
): Effect.Effect<A, HandlerUnusable> => {
  if (library !== "") return load(library)
  const found = builtin.get(name)
  return found === undefined
    ? new HandlerUnusable({ reason: `Method ${name} isn't a method of HandlerLibrary` })
    : Effect.succeed(found)
}

const validators: ReadonlyMap<string, ValidationPluginFactory> = new Map([["DefaultValidation", defaultValidation]])

/** In: `peer.handlers`, and who signs endorsements. Unset lists and maps stay empty, as in the reference (trap 17). */
export const makeHandlers = (
  handlers: CoreConfig["peer"]["handlers"],
  signer: Signer
): Effect.Effect<HandlersShape, HandlerUnusable> =>
  Effect.gen(function* () {
    const endorsers: ReadonlyMap<string, EndorsementPluginFactory> = new Map([
      ["DefaultEndorsement", defaultEndorsement(signer)]
    ])
    const named = <A>(entries: ReadonlyMap<string, Entry>, get: (entry: Entry) => Effect.Effect<A, HandlerUnusable>) =>
      Effect.map(
        Effect.forEach(entries, ([name, entry]) => Effect.map(get(entry), (found) => [name, found] as const)),
        (pairs): ReadonlyMap<string, A> => new Map(pairs)
      )
    const filters: ReadonlyArray<AuthFilterFactory> = yield* Effect.forEach(handlers.authFilters, (entry) =>
      find(entry, builtinAuthFilters, loadFilter)
    )
    return {
      authFilters: filters.map((make) => make()),
      decorators: yield* Effect.forEach(handlers.decorators, (entry) => find(entry, builtinDecorators, loadDecorator)),
      endorsers: yield* named(handlers.endorsers, (entry) =>
        find(entry, endorsers, (library) => loadEndorsement(library, signer))
      ),
      validators: yield* named(handlers.validators, (entry) => find(entry, validators, loadValidation))
    }
  })

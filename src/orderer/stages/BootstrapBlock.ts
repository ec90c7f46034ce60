/**
 * Stages 7 and 8: the block that the node is bootstrapped from, read and checked on every start, also on a restart.
 * Source: orderer.md section 1; orderer/common/server/main.go (extractBootstrapBlock), cluster/util.go
 * (ValidateBootstrapBlock).
 */
import * as fs from "node:fs/promises"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { Bundle } from "../../channelconfig/index.js"
import { common } from "../../wire/index.js"
import { StartFailed, textOf } from "./errors.js"

export interface BootstrapBlockShape {
  /** As it stands in the file. */
  readonly bytes: Uint8Array
  readonly block: common.Block
  readonly bundle: Bundle
}

export class BootstrapBlock extends Context.Tag("orderer/stages/BootstrapBlock")<
  BootstrapBlock,
  BootstrapBlockShape
>() {}

/** Where the block comes from (General.GenesisMethod). */
export type BootstrapOptions =
  | { readonly method: "file"; readonly file: string }
  /** Built from a profile of configtx.yaml by the given effect; fresh, so a restart needs its ledger. */
  | { readonly method: "provisional"; readonly make: Effect.Effect<Uint8Array, StartFailed> }
  | { readonly method: "unknown"; readonly name: string }

const read = (options: BootstrapOptions): Effect.Effect<Uint8Array, StartFailed> => {
  if (options.method === "provisional") return options.make
  if (options.method === "unknown") return new StartFailed({ detail: `Unknown genesis method: ${options.name}` })
  return Effect.tryPromise({
    try: () => fs.readFile(options.file),
    catch: (cause) =>
      new StartFailed({
        detail: `unable to bootstrap orderer. Error reading genesis block file: ${textOf(cause)}`,
        cause
      })
  })
}

/** What a bootstrap block must be: a system channel's config block. */
const validate = (block: common.Block): Either.Either<Bundle, string> => {
  const refuse = (text: string) => Either.left(`Failed validating bootstrap block: ${text}`)
  if (block.data === undefined || block.data.data.length === 0) return refuse("empty block data")
  const bundle = Bundle.fromBlock(block)
  if (Either.isLeft(bundle)) return refuse(bundle.left.message)
  return bundle.right.consortiums === undefined
    ? refuse("the block isn't a system channel block because it lacks ConsortiumsConfig")
    : Either.right(bundle.right)
}

export const layer = (options: BootstrapOptions): Layer.Layer<BootstrapBlock, StartFailed> =>
  Layer.effect(
    BootstrapBlock,
    Effect.gen(function* () {
      const bytes = yield* read(options)
      const block = yield* Effect.try({
        try: () => common.Block.decode(bytes),
        catch: (cause) =>
          new StartFailed({
            detail: `unable to bootstrap orderer. Error unmarshalling genesis block: ${textOf(cause)}`,
            cause
          })
      })
      const bundle = yield* Effect.mapError(validate(block), (detail) => new StartFailed({ detail }))
      return { bytes, block, bundle }
    })
  )

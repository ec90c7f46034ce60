/** Leaves by kind, each with the value that an unset key has in Go; `fallback` is what the reference takes instead. */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type * as Schema from "effect/Schema"
import * as kinds from "./leaf.js"
import { type LeafOptions, leaf } from "./schema.js"
import type { Given } from "./yaml.js"

type Options = Partial<Omit<LeafOptions<unknown>, "doc" | "unset">>

const fallbackOf = <A>(key: string, kind: kinds.Kind<A>, value: string): A =>
  Either.getOrThrowWith(kind.read({ kind: "text", text: value }), (fault) => new Error(`${key}: want ${fault.want}`))

const leafOf =
  <A>(kind: kinds.Kind<A>, zero: A) =>
  (key: string, doc: string, options: Options = {}): Schema.Schema<A, Given | undefined> =>
    leaf(key, kind, {
      ...options,
      doc,
      unset: options.fallback === undefined ? zero : fallbackOf(key, kind, options.fallback)
    })

export const text = leafOf(kinds.text, "")
export const bool = leafOf(kinds.bool, false)
export const int = leafOf(kinds.int, 0)
export const count = leafOf(kinds.count, 0)
export const port = leafOf(kinds.port, 0)
export const integer = (minimum: number, maximum: number) => leafOf(kinds.integer(minimum, maximum), 0)
export const fraction = leafOf(kinds.fraction, 0)
export const duration = leafOf(kinds.duration, Duration.zero)
export const list = leafOf<ReadonlyArray<string>>(kinds.list, [])
export const words = leafOf<ReadonlyArray<string>>(kinds.words, [])
export const kafkaVersion = leafOf(kinds.kafkaVersion, "")
export const textMap = leafOf<ReadonlyMap<string, string>>(kinds.mapOf(kinds.text), new Map())
export const handlerMap = leafOf<ReadonlyMap<string, kinds.HandlerEntry>>(kinds.mapOf(kinds.handlerEntry), new Map())
export const handlerList = leafOf<ReadonlyArray<kinds.HandlerEntry>>(kinds.listOfRecords(kinds.handlerEntry), [])
export const addressOverrides = leafOf<ReadonlyArray<kinds.AddressOverride>>(
  kinds.listOfRecords(kinds.addressOverride),
  []
)
export const systemPlugins = leafOf<ReadonlyArray<kinds.SystemPlugin>>(kinds.listOfRecords(kinds.systemPlugin), [])
/** A subtree that is passed on as it stands. */
export const opaque = leafOf<kinds.Opaque>(kinds.opaque, {})
/** A user or group number; undefined when it is not set. */
export const optionalId = leafOf<number | undefined>(kinds.integer(0, 0xffff_fffe), undefined)
/** A whole number from 1 on; undefined when it is not set. */
export const optionalCount = leafOf<number | undefined>(kinds.integer(1, Number.MAX_SAFE_INTEGER), undefined)
/** One of a few words; the first holds when the key is not set. */
export const word = <W extends string>(first: W, ...others: ReadonlyArray<W>) =>
  leafOf(kinds.word(first, ...others), first)
/** One of a few words; undefined when it is not set. */
export const optionalWord = <W extends string>(...words: ReadonlyArray<W>) =>
  leafOf<W | undefined>(kinds.word(...words), undefined)

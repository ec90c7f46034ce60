/** The command line as data: what commander gives, checked. */
import * as Schema from "effect/Schema"
import type { NetworkOptions } from "../spec.js"

const OptionalText = Schema.optional(Schema.String)

/** Options that every command has. */
export const CommonOptions = Schema.Struct({ dir: OptionalText, json: Schema.optional(Schema.Boolean) })

export const UpOptions = Schema.Struct({
  ...CommonOptions.fields,
  channel: OptionalText,
  chaincode: Schema.optional(Schema.Array(Schema.String)),
  orgs: Schema.optional(Schema.NumberFromString),
  peers: Schema.optional(Schema.NumberFromString),
  tls: Schema.optional(Schema.Union(Schema.Boolean, Schema.Literal("on", "off"))),
  batchTimeout: Schema.optional(Schema.NumberFromString),
  maxMessages: Schema.optional(Schema.NumberFromString),
  basePort: Schema.optional(Schema.NumberFromString),
  freePorts: Schema.optional(Schema.Boolean),
  detach: Schema.optional(Schema.Boolean)
})
export type UpOptions = typeof UpOptions.Type

/** In: the options of `up`, and the sample that runs when no chaincode is named. */
export const networkOptions = (options: UpOptions, sample: string): NetworkOptions => ({
  ...(options.dir === undefined ? {} : { dir: options.dir }),
  ...(options.channel === undefined ? {} : { channel: options.channel }),
  ...(options.batchTimeout === undefined ? {} : { batchTimeout: options.batchTimeout }),
  ...(options.maxMessages === undefined ? {} : { maxMessageCount: options.maxMessages }),
  tls: options.tls === true || options.tls === "on",
  orgs: Array.from({ length: options.orgs ?? 1 }, (_, i) => ({ name: `Org${i + 1}`, peers: options.peers ?? 1 })),
  chaincodes: (options.chaincode ?? [sample]).map((path) => ({ path }))
})

/** Failures of talking to Kafka. */
import * as Data from "effect/Data"

/** Kafka did not do as asked. `kind` is Kafka's name of the error where a broker gave one (`NOT_ENOUGH_REPLICAS`). */
export class KafkaFailed extends Data.TaggedError("KafkaFailed")<{
  readonly op: string
  readonly detail: string
  readonly kind?: string
  readonly cause?: unknown
}> {
  override get message() {
    return this.detail
  }
}

/** The chain's next record is not in the topic (any more): nothing can be read that would continue the chain. */
export class OffsetOutOfRange extends Data.TaggedError("OffsetOutOfRange")<{
  readonly topic: string
  readonly wanted: bigint
  readonly oldest: bigint | undefined
  readonly newest: bigint | undefined
}> {
  override get message() {
    const text =
      "kafka server: The requested offset is outside the range of offsets maintained by the server for the given topic/partition."
    return this.oldest === undefined || this.newest === undefined
      ? `${text} (wanted ${this.wanted})`
      : `${text} (wanted ${this.wanted}, there are ${this.oldest} to ${this.newest})`
  }
}

/** Every attempt of a step failed, or the step cannot be tried. */
export class RetriesExhausted extends Data.TaggedError("RetriesExhausted")<{ readonly detail: string }> {
  override get message() {
    return this.detail
  }
}

/** Kafka.TLS holds what cannot be used. */
export class KafkaTlsInvalid extends Data.TaggedError("KafkaTlsInvalid")<{ readonly detail: string }> {
  override get message() {
    return this.detail
  }
}

/** Several errors in one (KafkaJSAggregateError). */
const partsOf = (error: unknown): ReadonlyArray<unknown> | undefined =>
  error instanceof Error && "errors" in error && Array.isArray(error.errors) ? error.errors : undefined

/** Kafka's name for what went wrong: that of the library's protocol error, or of what caused the error. */
const kindOf = (error: unknown, depth = 0): string | undefined => {
  if (depth > 8 || !(error instanceof Error)) return undefined
  for (const part of partsOf(error) ?? []) {
    const kind = kindOf(part, depth + 1)
    if (kind !== undefined) return kind
  }
  return "type" in error && typeof error.type === "string" ? error.type : kindOf(error.cause, depth + 1)
}

const detailOf = (error: unknown): string =>
  partsOf(error)?.map(detailOf).join("; ") ?? (error instanceof Error ? error.message : String(error))

/** An error of the library as ours. */
export const kafkaFailed =
  (op: string) =>
  (error: unknown): KafkaFailed => {
    if (error instanceof KafkaFailed) return error
    const kind = kindOf(error)
    return new KafkaFailed({ op, detail: detailOf(error), cause: error, ...(kind === undefined ? {} : { kind }) })
  }

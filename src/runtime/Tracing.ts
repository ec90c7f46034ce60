/**
 * Spans of stages, calls and blocks: one transaction can be followed by its id through endorsement, and by its block
 * through ordering, validation and commit. Written as JSON lines to a file, exported to a collector, or both; off unless
 * configured.
 */

import { randomBytes } from "node:crypto"
import { createWriteStream } from "node:fs"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { OtlpOptions } from "./Otlp.js"
import * as Otlp from "./Otlp.js"

class PlainSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly spanId = randomBytes(8).toString("hex")
  readonly traceId: string
  readonly sampled = true
  readonly attributes = new Map<string, unknown>()
  readonly links: Array<Tracer.SpanLink>
  status: Tracer.SpanStatus

  constructor(
    readonly name: string,
    readonly parent: Option.Option<Tracer.AnySpan>,
    readonly context: Context.Context<never>,
    links: ReadonlyArray<Tracer.SpanLink>,
    startTime: bigint,
    readonly kind: Tracer.SpanKind
  ) {
    this.traceId = parent._tag === "Some" ? parent.value.traceId : randomBytes(16).toString("hex")
    this.links = [...links]
    this.status = { _tag: "Started", startTime }
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
  }
  attribute(key: string, value: unknown): void {
    this.attributes.set(key, value)
  }
  event(): void {}
  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    this.links.push(...links)
  }
}

const lineOf = (span: Tracer.Span, endTime: bigint, exit: Exit.Exit<unknown, unknown>): string => {
  const { startTime } = span.status
  const attributes = Object.fromEntries(
    [...span.attributes].map(([key, value]) => [key, typeof value === "bigint" ? String(value) : value])
  )
  return `${JSON.stringify({
    name: span.name,
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parent._tag === "Some" ? span.parent.value.spanId : null,
    start: String(startTime),
    nanoseconds: String(endTime - startTime),
    ok: Exit.isSuccess(exit),
    attributes
  })}\n`
}

const plain: Tracer.Tracer = Tracer.make({
  span: (name, parent, context, links, startTime, kind) => new PlainSpan(name, parent, context, links, startTime, kind),
  context: (run) => run()
})

/**
 * A tracer whose ended spans go to `write`, one JSON object a line. In: where lines go, and a tracer whose spans are
 * written beside what that one does with them.
 */
export const tracer = (write: (line: string) => void, inner: Tracer.Tracer = plain): Tracer.Tracer =>
  Tracer.make({
    span: (...parts) => {
      const span = inner.span(...parts)
      const end = span.end.bind(span)
      span.end = (endTime, exit) => {
        end(endTime, exit)
        write(lineOf(span, endTime, exit))
      }
      return span
    },
    context: (run, fiber) => inner.context(run, fiber)
  })

/** Spans waiting for a slow disk beyond this many bytes are dropped: tracing must not hold a node up. */
const MARK = 1 << 20

/** Appends spans to a file until the scope closes; a file that cannot be written loses spans, nothing else. */
export const toFile = (path: string, inner?: Tracer.Tracer): Effect.Effect<Tracer.Tracer, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => createWriteStream(path, { flags: "a" }).on("error", () => {})),
      (stream) =>
        Effect.async<void>((resume) => {
          stream.end(() => resume(Effect.void))
          stream.once("error", () => resume(Effect.void))
        })
    ),
    (stream) =>
      tracer((line) => {
        if (stream.writableLength < MARK) stream.write(line)
      }, inner)
  )

export interface TracingOptions {
  /** Where spans go as lines (FABRIC_EFFECT_TRACE_FILE); nowhere when absent or empty. */
  readonly file?: string | undefined
  /** The collector; none when absent. */
  readonly otlp?: OtlpOptions | undefined
}

/** Runs a program with its spans in the file and at the collector named, or as it is when none is. */
export const traced =
  ({ file = "", otlp }: TracingOptions) =>
  <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    if (file === "" && otlp === undefined) return program
    const made = Effect.gen(function* () {
      const exported = otlp === undefined ? undefined : yield* Otlp.tracer(otlp)
      if (file === "") return exported ?? plain
      return yield* toFile(file, exported)
    })
    return Effect.scoped(Effect.flatMap(made, (tracer) => Effect.withTracer(program, tracer)))
  }

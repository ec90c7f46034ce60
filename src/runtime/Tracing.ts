/**
 * Spans of stages, calls and blocks, written as JSON lines to a file: one transaction can be followed by its id through
 * endorsement, and by its block through ordering, validation and commit. Off unless a file is named.
 */

import { randomBytes } from "node:crypto"
import { createWriteStream } from "node:fs"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"

class LineSpan implements Tracer.Span {
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
    readonly kind: Tracer.SpanKind,
    private readonly write: (line: string) => void
  ) {
    this.traceId = parent._tag === "Some" ? parent.value.traceId : randomBytes(16).toString("hex")
    this.links = [...links]
    this.status = { _tag: "Started", startTime }
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    const { startTime } = this.status
    this.status = { _tag: "Ended", startTime, endTime, exit }
    const attributes = Object.fromEntries(
      [...this.attributes].map(([key, value]) => [key, typeof value === "bigint" ? String(value) : value])
    )
    this.write(
      `${JSON.stringify({
        name: this.name,
        traceId: this.traceId,
        spanId: this.spanId,
        parentSpanId: this.parent._tag === "Some" ? this.parent.value.spanId : null,
        start: String(startTime),
        nanoseconds: String(endTime - startTime),
        ok: Exit.isSuccess(exit),
        attributes
      })}\n`
    )
  }
  attribute(key: string, value: unknown): void {
    this.attributes.set(key, value)
  }
  event(): void {}
  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    this.links.push(...links)
  }
}

/** A tracer whose ended spans go to `write`, one JSON object a line. */
export const tracer = (write: (line: string) => void): Tracer.Tracer =>
  Tracer.make({
    span: (name, parent, context, links, startTime, kind) =>
      new LineSpan(name, parent, context, links, startTime, kind, write),
    context: (run) => run()
  })

/** Spans waiting for a slow disk beyond this many bytes are dropped: tracing must not hold a node up. */
const MARK = 1 << 20

/** Appends spans to a file until the scope closes; a file that cannot be written loses spans, nothing else. */
export const toFile = (path: string): Effect.Effect<Tracer.Tracer, never, Scope.Scope> =>
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
      })
  )

/** Runs a program with its spans in the file named, or as it is when none is. */
export const traced =
  (path: string | undefined) =>
  <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    path === undefined || path === ""
      ? program
      : Effect.scoped(Effect.flatMap(toFile(path), (made) => Effect.withTracer(program, made)))

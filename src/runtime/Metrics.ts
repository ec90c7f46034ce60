/**
 * One node's metrics under Fabric's names and labels: declared where they are used, made on first use, exposed to
 * Prometheus or pushed to StatsD. Handles are plain functions for hot paths; tag once per channel and keep the handle.
 * Source: operations-cli.md section 3; design.md section 2 (prom-client, one Registry per node).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as prom from "prom-client"
import { collect } from "./goRuntime.js"
import { SeriesCounter, SeriesHistogram } from "./promSeries.js"
import type { StatsdOptions, StatsdUnreachable } from "./Statsd.js"
import * as Statsd from "./Statsd.js"

export interface MetricDeclaration<L extends string = string> {
  /** Joined with `_` (Prometheus) or `.` (StatsD). */
  readonly namespace: string
  readonly subsystem?: string
  readonly name: string
  readonly help: string
  /** In the order in which StatsD appends their values. */
  readonly labelNames?: ReadonlyArray<L>
}

export interface HistogramDeclaration<L extends string = string> extends MetricDeclaration<L> {
  /** Upper bounds in seconds; Fabric's default set when absent. */
  readonly buckets?: ReadonlyArray<number>
}

export type Labels<L extends string> = Readonly<Record<L, string>>

export interface Counter<L extends string> {
  readonly with: (labels: Labels<L>) => { readonly add: (delta?: number) => void }
}
export interface Gauge<L extends string> {
  readonly with: (labels: Labels<L>) => { readonly set: (value: number) => void; readonly add: (delta: number) => void }
}
export interface Histogram<L extends string> {
  readonly with: (labels: Labels<L>) => { readonly observe: (seconds: number) => void }
}

/** A metric as its declaration has it. */
export interface Declared {
  /** As Prometheus shows it. */
  readonly name: string
  readonly kind: "counter" | "gauge" | "histogram"
  readonly labels: ReadonlyArray<string>
  readonly help: string
  /** Upper bounds of a histogram, seconds. */
  readonly buckets: ReadonlyArray<number>
}

export interface MetricsShape {
  readonly counter: <L extends string = never>(declaration: MetricDeclaration<L>) => Counter<L>
  readonly gauge: <L extends string = never>(declaration: MetricDeclaration<L>) => Gauge<L>
  readonly histogram: <L extends string = never>(declaration: HistogramDeclaration<L>) => Histogram<L>
  /** What has been declared so far, used or not, in the order of declaration; nothing when metrics are disabled. */
  readonly declared: () => ReadonlyArray<Declared>
  /** The Prometheus page with its content type; undefined unless the provider is `prometheus`. */
  readonly exposition: Effect.Effect<{ readonly contentType: string; readonly body: string } | undefined>
}

export class Metrics extends Context.Tag("runtime/Metrics")<Metrics, MetricsShape>() {}

/** Fabric's default buckets, seconds. */
export const defaultBuckets: ReadonlyArray<number> = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Buckets of the four ledger time histograms, seconds. */
export const ledgerBuckets: ReadonlyArray<number> = [0.005, 0.01, 0.015, 0.05, 0.1, 1, 10]

const fullName = (d: MetricDeclaration, joint: string): string =>
  [d.namespace, d.subsystem ?? "", d.name].filter((part) => part !== "").join(joint)

/** Keeps what passes by as declared; two places may declare the same. */
const declarations = () => {
  const all = new Map<string, Declared>()
  return {
    add: (kind: Declared["kind"], d: HistogramDeclaration): void => {
      const name = fullName(d, "_")
      if (all.has(name)) return
      const buckets = kind === "histogram" ? (d.buckets ?? defaultBuckets) : []
      all.set(name, { name, kind, labels: d.labelNames ?? [], help: d.help, buckets })
    },
    list: () => [...all.values()]
  }
}

// ---- Disabled ----------------------------------------------------------------------------------------------------

const nothing = { add: () => {}, set: () => {}, observe: () => {} }
const sink = { with: () => nothing }

export const disabled: MetricsShape = {
  counter: () => sink,
  gauge: () => sink,
  histogram: () => sink,
  declared: () => [],
  exposition: Effect.succeed(undefined)
}

// ---- Prometheus --------------------------------------------------------------------------------------------------

/** What a dashboard expects of any process; everything else on the page is Fabric's. */
const processMetrics = (registry: prom.Registry): void => {
  const registers = [registry]
  const gauge = (name: string, help: string, read: () => number) =>
    new prom.Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      }
    })
  gauge("process_resident_memory_bytes", "Resident memory in bytes.", () => process.memoryUsage.rss())
  gauge(
    "process_start_time_seconds",
    "Start of the process, seconds since the epoch.",
    () => Date.now() / 1000 - process.uptime()
  )
  new prom.Counter({
    name: "process_cpu_seconds_total",
    help: "User and system CPU time in seconds.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / 1e6)
    }
  })
}

/** A series appears with its first use only, so the library's metric is made then. */
const onFirstUse = <M>(
  registry: prom.Registry,
  name: string,
  make: () => M,
  is: (found: unknown) => found is M
): (() => M) => {
  let metric: M | undefined
  return () => {
    if (metric === undefined) {
      const found = registry.getSingleMetric(name)
      metric = is(found) ? found : make()
    }
    return metric
  }
}

export const prometheus = (): MetricsShape => {
  const registry = new prom.Registry()
  processMetrics(registry)
  const { add, list } = declarations()
  const common = (d: MetricDeclaration) => ({
    name: fullName(d, "_"),
    help: d.help,
    labelNames: [...(d.labelNames ?? [])],
    registers: [registry]
  })
  return {
    counter: (d) => {
      add("counter", d)
      const metric = onFirstUse(
        registry,
        fullName(d, "_"),
        () => new SeriesCounter(common(d)),
        (m) => m instanceof SeriesCounter
      )
      return {
        with: (labels) => {
          let series: ReturnType<SeriesCounter["series"]> | undefined
          return {
            add: (delta = 1) => {
              series ??= metric().series(labels)
              series.add(delta)
            }
          }
        }
      }
    },
    gauge: (d) => {
      add("gauge", d)
      const metric = onFirstUse(
        registry,
        fullName(d, "_"),
        () => new prom.Gauge(common(d)),
        (m) => m instanceof prom.Gauge
      )
      return {
        with: (labels) => ({
          set: (value) => metric().set({ ...labels }, value),
          add: (delta) => metric().inc({ ...labels }, delta)
        })
      }
    },
    histogram: (d) => {
      add("histogram", d)
      const metric = onFirstUse(
        registry,
        fullName(d, "_"),
        () => new SeriesHistogram({ ...common(d), buckets: [...(d.buckets ?? defaultBuckets)] }),
        (m) => m instanceof SeriesHistogram
      )
      return {
        with: (labels) => {
          let series: ReturnType<SeriesHistogram["series"]> | undefined
          return {
            observe: (seconds) => {
              series ??= metric().series(labels)
              series.observe(seconds)
            }
          }
        }
      }
    },
    declared: list,
    exposition: Effect.map(
      Effect.promise(() => registry.metrics()),
      (body) => ({ contentType: registry.contentType, body })
    )
  }
}

// ---- StatsD ------------------------------------------------------------------------------------------------------

const statsd = (client: Statsd.StatsdClient): MetricsShape => {
  const { add, list } = declarations()
  const bucket = <L extends string>(d: MetricDeclaration<L>, labels: Labels<L>): string =>
    [fullName(d, "."), ...(d.labelNames ?? []).map((name) => Statsd.labelValue(labels[name]))].join(".")
  return {
    counter: (d) => {
      add("counter", d)
      return {
        with: (labels) => {
          const name = bucket(d, labels)
          return { add: (delta = 1) => client.count(name, delta) }
        }
      }
    },
    gauge: (d) => {
      add("gauge", d)
      return {
        with: (labels) => {
          const name = bucket(d, labels)
          return { set: (value) => client.gauge(name, value), add: (delta) => client.gaugeAdd(name, delta) }
        }
      }
    },
    histogram: (d) => {
      add("histogram", d)
      return {
        with: (labels) => {
          const name = bucket(d, labels)
          return { observe: (seconds) => client.timing(name, seconds) }
        }
      }
    },
    declared: list,
    exposition: Effect.succeed(undefined)
  }
}

// ---- Layers ------------------------------------------------------------------------------------------------------

export interface MetricsOptions {
  /** `prometheus`, `statsd` or `disabled`; the caller warns of any other word and passes `disabled`. */
  readonly provider: "prometheus" | "statsd" | "disabled"
  readonly statsd?: StatsdOptions
}

const pushed = (options: StatsdOptions) =>
  Effect.gen(function* () {
    const client = yield* Statsd.make(options)
    yield* collect(client.gauge, options.writeInterval)
    return statsd(client)
  })

export const layer = (options: MetricsOptions): Layer.Layer<Metrics, StatsdUnreachable> => {
  if (options.provider === "prometheus") return Layer.sync(Metrics, prometheus)
  if (options.provider === "statsd" && options.statsd !== undefined)
    return Layer.scoped(Metrics, pushed(options.statsd))
  return layerDisabled
}

export const layerDisabled: Layer.Layer<Metrics> = Layer.succeed(Metrics, disabled)

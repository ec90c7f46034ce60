/**
 * Counters and histograms of prom-client whose series are looked up once: the library finds its series anew with every
 * call, by sorting and joining the labels, which costs a hot path more than what it measures.
 * Source: design.md section 2 (prom-client), section 5 (speed).
 */
import * as prom from "prom-client"

type Labels = Readonly<Record<string, string>>

const keyOf = (names: ReadonlyArray<string>, labels: Labels): string =>
  names.map((name) => labels[name] ?? "").join("\u0000")

/** Finds or makes the one series of some labels. */
const found = <S>(all: Map<string, S>, key: string, make: () => S): S => {
  const known = all.get(key)
  if (known !== undefined) return known
  const made = make()
  all.set(key, made)
  return made
}

class Count {
  private delta = 0
  private used = false
  constructor(readonly labels: Labels) {}

  /** Adds what is not negative; the series is shown from now on. */
  add(delta: number): void {
    if (!(delta >= 0)) throw new Error("It is not possible to decrease a counter")
    this.delta += delta
    this.used = true
  }
  /** What came since the last look; undefined when nothing did. */
  take(): number | undefined {
    if (!this.used) return undefined
    const { delta } = this
    this.delta = 0
    this.used = false
    return delta
  }
}

/** A counter. */
export class SeriesCounter extends prom.Counter<string> {
  private readonly counts = new Map<string, Count>()

  constructor(private readonly declared: prom.CounterConfiguration<string> & { readonly labelNames: Array<string> }) {
    super(declared)
  }

  /** The series of these labels, for as long as one likes. */
  series(labels: Labels): Pick<Count, "add"> {
    return found(this.counts, keyOf(this.declared.labelNames, labels), () => new Count({ ...labels }))
  }

  override get() {
    for (const count of this.counts.values()) {
      const delta = count.take()
      if (delta !== undefined) this.inc({ ...count.labels }, delta)
    }
    return super.get()
  }
}

class Distribution {
  readonly counts: Array<number>
  sum = 0
  count = 0
  constructor(
    readonly labels: Labels,
    private readonly bounds: ReadonlyArray<number>
  ) {
    this.counts = bounds.map(() => 0)
  }

  observe(value: number): void {
    if (!Number.isFinite(value)) return
    this.sum += value
    this.count += 1
    const { bounds } = this
    for (let i = 0; i < bounds.length; i++) {
      if (value > (bounds[i] ?? 0)) continue
      this.counts[i] = (this.counts[i] ?? 0) + 1
      return
    }
  }
}

/** A histogram; the library only gives it its name and its place on the page. */
export class SeriesHistogram extends prom.Histogram<string> {
  private readonly distributions = new Map<string, Distribution>()

  constructor(
    private readonly declared: prom.HistogramConfiguration<string> & {
      readonly labelNames: Array<string>
      readonly buckets: Array<number>
    }
  ) {
    super(declared)
  }

  /** The series of these labels, for as long as one likes. */
  series(labels: Labels): Pick<Distribution, "observe"> {
    const { buckets, labelNames } = this.declared
    return found(this.distributions, keyOf(labelNames, labels), () => new Distribution({ ...labels }, buckets))
  }

  /** What the library makes its page of, and `get`. */
  async getForPromString() {
    const { buckets, help, name } = this.declared
    const value = (
      kind: string,
      own: Readonly<Record<string, string | number>>,
      sharedLabels: Labels,
      value: number
    ) => ({
      metricName: `${name}_${kind}`,
      labels: { ...own },
      sharedLabels,
      value
    })
    const values = [...this.distributions.values()]
      .filter(({ count }) => count > 0)
      .flatMap(({ count, counts, labels, sum }) => {
        let below = 0
        const steps = buckets.map((le, i) => {
          below += counts[i] ?? 0
          return value("bucket", { le }, labels, below)
        })
        return [
          ...steps,
          value("bucket", { le: "+Inf" }, labels, count),
          value("sum", {}, labels, sum),
          value("count", {}, labels, count)
        ]
      })
    return { name, help, type: "histogram", aggregator: "sum", values }
  }
}

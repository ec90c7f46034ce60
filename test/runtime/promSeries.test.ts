/** Our series against prom-client's own: the page must be the same to the character. */
import fc from "fast-check"
import * as prom from "prom-client"
import { describe, expect, it } from "vitest"
import { SeriesCounter, SeriesHistogram } from "../../src/runtime/promSeries.js"

const buckets = [0.005, 0.1, 1, 10]
const label = fc.constantFrom("a", "b", 'with "quotes"', "back\\slash", "new\nline", "")
const labels = fc.record({ channel: label, status: label })

describe("series", () => {
  it("show what prom-client shows", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            labels,
            value: fc.oneof(fc.constantFrom(...buckets, 0), fc.double({ min: 0, max: 20, noNaN: true }))
          })
        ),
        fc.nat(20),
        async (events, look) => {
          const [theirs, ours] = [new prom.Registry(), new prom.Registry()]
          const config = { help: "A help.", labelNames: ["channel", "status"] }
          const theirCounter = new prom.Counter({ ...config, name: "count", registers: [theirs] })
          const theirHistogram = new prom.Histogram({ ...config, name: "time", buckets, registers: [theirs] })
          const counter = new SeriesCounter({ ...config, name: "count", registers: [ours] })
          const histogram = new SeriesHistogram({ ...config, name: "time", buckets, registers: [ours] })
          for (const [i, event] of events.entries()) {
            theirCounter.inc({ ...event.labels }, event.value)
            theirHistogram.observe({ ...event.labels }, event.value)
            counter.series(event.labels).add(event.value)
            histogram.series(event.labels).observe(event.value)
            if (i === look) expect(sorted(await ours.metrics())).toEqual(sorted(await theirs.metrics()))
          }
          expect(sorted(await ours.metrics())).toEqual(sorted(await theirs.metrics()))
        }
      ),
      { numRuns: 200 }
    )
  })

  it("count without labels, and refuse to go down", async () => {
    const registry = new prom.Registry()
    const counter = new SeriesCounter({ name: "count", help: "A help.", labelNames: [], registers: [registry] })
    counter.series({}).add(1)
    counter.series({}).add(2)
    expect(await registry.metrics()).toContain("\ncount 3\n")
    expect(() => counter.series({}).add(-1)).toThrow("not possible to decrease")
    expect(() => counter.series({}).add(Number.NaN)).toThrow()
  })

  it("leave out what is no number", async () => {
    const registry = new prom.Registry()
    const histogram = new SeriesHistogram({
      name: "time",
      help: "A help.",
      labelNames: [],
      buckets,
      registers: [registry]
    })
    histogram.series({}).observe(Number.NaN)
    histogram.series({}).observe(Number.POSITIVE_INFINITY)
    expect(await registry.metrics()).not.toContain("time_count")
    histogram.series({}).observe(3)
    expect(await registry.metrics()).toContain("time_count 1")
    expect((await histogram.get()).values.map(({ labels, value }) => [labels.le, value])).toEqual([
      [0.005, 0],
      [0.1, 0],
      [1, 0],
      [10, 1],
      ["+Inf", 1],
      [undefined, 3],
      [undefined, 1]
    ])
  })
})

/** Sums of many numbers differ in their last digits when they are added in another order. */
const sorted = (page: string) =>
  page
    .split("\n")
    .map((line) => line.replace(/ (\d+\.\d{9})\d+(e-?\d+)?$/, " $1"))
    .sort()

/**
 * A strict reader of Prometheus' text format 0.0.4 for tests (no kept parser is among the project's packages): it takes
 * nothing that the format's grammar does not have. Source: prometheus.io, exposition formats.
 */

export interface Sample {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly value: number
}

export interface Family {
  readonly type: string
  readonly help: string
  readonly samples: ReadonlyArray<Sample>
}

const nameForm = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const labelForm = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/
const numberForm = /^(?:[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|Inf)|NaN)$/
const escapes: Readonly<Record<string, string>> = { "\\n": "\n", '\\"': '"', "\\\\": "\\" }

const refuse = (line: string, why: string): never => {
  throw new Error(`${why}: ${line}`)
}

const readLabels = (line: string, text: string): ReadonlyMap<string, string> => {
  const labels = new Map<string, string>()
  let rest = text
  while (rest !== "") {
    const [whole = "", name = "", value = ""] = labelForm.exec(rest) ?? refuse(line, "no label")
    if (labels.has(name)) refuse(line, "label twice")
    labels.set(
      name,
      value.replace(/\\[n"\\]/g, (two) => escapes[two] ?? two)
    )
    rest = rest.slice(whole.length)
    if (rest.startsWith(",")) rest = rest.slice(1)
    else if (rest !== "") refuse(line, "no comma")
  }
  return labels
}

const readSample = (line: string): Sample => {
  const parts = /^([^{\s]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? refuse(line, "no sample")
  const [, name = "", labels = "", value = ""] = parts
  if (!nameForm.test(name)) refuse(line, "no name")
  if (!numberForm.test(value)) refuse(line, "no number")
  return { name, labels: readLabels(line, labels), value: Number(value.replace("Inf", "Infinity")) }
}

/** Families by name, in the page's order. Throws on the first line that is not well formed. */
export const parsePrometheus = (page: string): ReadonlyMap<string, Family> => {
  const families = new Map<string, { type: string; help: string; samples: Array<Sample> }>()
  const seen = new Set<string>()
  let current = ""
  if (!page.endsWith("\n")) refuse(page.slice(-40), "no line feed at the end")
  for (const line of page.split("\n")) {
    if (line === "") continue
    const comment = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line)
    if (comment !== null) {
      const [, what, name = "", text = ""] = comment
      if (!nameForm.test(name)) refuse(line, "no name")
      if (what === "HELP") {
        if (families.has(name)) refuse(line, "family twice")
        families.set(name, { type: "", help: text, samples: [] })
        current = name
      } else {
        const family = families.get(name) ?? refuse(line, "type before help")
        if (name !== current || family.type !== "") refuse(line, "type out of place")
        if (!/^(?:counter|gauge|histogram|summary|untyped)$/.test(text)) refuse(line, "no type")
        family.type = text
      }
      continue
    }
    if (line.startsWith("#")) continue
    const sample = readSample(line)
    const family = families.get(current) ?? refuse(line, "no family")
    const stem = family.type === "histogram" ? sample.name.replace(/_(?:bucket|sum|count)$/, "") : sample.name
    if (stem !== current) refuse(line, `sample of another family than ${current}`)
    const series = `${sample.name}${JSON.stringify([...sample.labels].sort())}`
    if (seen.has(series)) refuse(line, "series twice")
    seen.add(series)
    family.samples.push(sample)
  }
  for (const [name, { samples, type }] of families) if (type === "histogram") checkHistogram(name, samples)
  return families
}

/** Buckets grow, the last one is `+Inf` and equals the count; there is a sum. */
const checkHistogram = (name: string, samples: ReadonlyArray<Sample>): void => {
  const keyOf = ({ labels }: Sample) => JSON.stringify([...labels].filter(([label]) => label !== "le").sort())
  for (const key of new Set(samples.map(keyOf))) {
    const own = samples.filter((sample) => keyOf(sample) === key)
    const buckets = own.filter((sample) => sample.name === `${name}_bucket`)
    const counts = buckets.map(({ value }) => value)
    const bounds = buckets.map(({ labels }) => Number((labels.get("le") ?? "").replace("Inf", "Infinity")))
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) refuse(name, "no last bucket")
    if (bounds.some((bound, at) => at > 0 && bound <= (bounds[at - 1] ?? 0))) refuse(name, "bounds do not grow")
    if (counts.some((count, at) => at > 0 && count < (counts[at - 1] ?? 0))) refuse(name, "counts do not grow")
    if (own.find((sample) => sample.name === `${name}_count`)?.value !== counts.at(-1)) refuse(name, "wrong count")
    if (!own.some((sample) => sample.name === `${name}_sum`)) refuse(name, "no sum")
  }
}

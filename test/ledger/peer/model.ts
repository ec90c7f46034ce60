/**
 * A ledger written down from the rules, in maps, without any of the code under test: what a simulation sees and
 * records, which transactions of a block are valid, what state and history hold afterwards.
 */

export interface V {
  readonly block: number
  readonly tx: number
}
export interface Held {
  readonly value: string
  readonly metadata: ReadonlyArray<readonly [string, string]> | undefined
  readonly version: V
}

export type Op =
  | { readonly t: "get"; readonly k: number }
  | { readonly t: "put"; readonly k: number; readonly v: string }
  | { readonly t: "del"; readonly k: number }
  | { readonly t: "meta"; readonly k: number; readonly m: ReadonlyArray<string> }
  | { readonly t: "getMeta"; readonly k: number }
  /** Pulls at most `n` results of a range. */
  | { readonly t: "range"; readonly a: number; readonly b: number; readonly n: number }
  | { readonly t: "pput"; readonly k: number; readonly v: string }
  | { readonly t: "pdel"; readonly k: number }
  | { readonly t: "pget"; readonly k: number }
  | { readonly t: "phash"; readonly k: number }
  | { readonly t: "pmeta"; readonly k: number; readonly m: ReadonlyArray<string> }

/** Keys by number; the last one means "no bound" in ranges. Awkward on purpose: UTF-16 order differs, long, zero bytes. */
export const keys: ReadonlyArray<string> = [
  "a",
  "a\0b",
  "b",
  "bb",
  "\uFFFD",
  "\u{10000}",
  "\u{10FFFE}",
  "L".repeat(1980),
  `${"L".repeat(1980)}x`,
  `${"L".repeat(4000)}`,
  "zz",
  "é"
]

export const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
const same = (a: V | undefined, b: V | undefined) => a?.block === b?.block && a?.tx === b?.tx

/** What a simulation did, as far as validation and commit care. */
export interface Simulated {
  readonly reads: Map<string, V | undefined>
  readonly ranges: Array<{ start: string; end: string; exhausted: boolean; results: Array<readonly [string, V]> }>
  readonly writes: Map<string, string | undefined>
  readonly metadata: Map<string, ReadonlyArray<readonly [string, string]>>
  readonly hashReads: Map<string, V | undefined>
  readonly privateWrites: Map<string, string | undefined>
  readonly privateMetadata: Map<string, ReadonlyArray<readonly [string, string]>>
  /** What the caller was told, in order. */
  readonly told: Array<string>
}

const metadataOf = (names: ReadonlyArray<string>): ReadonlyArray<readonly [string, string]> =>
  [...new Set(names)].map((name) => [name, `of ${name}`] as const).sort(([a], [b]) => byBytes(a, b))

const shown = (metadata: Held["metadata"]): string =>
  JSON.stringify([...(metadata ?? [])].map(([name, value]) => `${name}=${value}`).sort())

export class Model {
  readonly state = new Map<string, Held>()
  /** Private keys in clear; their hashes have the same keys, values and versions here, as this peer gets all data. */
  readonly secret = new Map<string, Held>()
  readonly history = new Map<string, Array<string>>()

  range(start: string, end: string): Array<readonly [string, Held]> {
    return [...this.state]
      .filter(([key]) => byBytes(key, start) >= 0 && (end === "" || byBytes(key, end) < 0))
      .sort(([a], [b]) => byBytes(a, b))
  }

  simulate(ops: ReadonlyArray<Op>): Simulated {
    const sim: Simulated = {
      reads: new Map(),
      ranges: [],
      writes: new Map(),
      metadata: new Map(),
      hashReads: new Map(),
      privateWrites: new Map(),
      privateMetadata: new Map(),
      told: []
    }
    const key = (k: number) => keys[k] ?? ""
    for (const op of ops) {
      if (op.t === "get" || op.t === "getMeta") {
        const held = this.state.get(key(op.k))
        sim.reads.set(key(op.k), held?.version)
        sim.told.push(op.t === "get" ? String(held?.value) : shown(held?.metadata))
      } else if (op.t === "put") sim.writes.set(key(op.k), op.v === "" ? undefined : op.v)
      else if (op.t === "del") sim.writes.set(key(op.k), undefined)
      else if (op.t === "meta") sim.metadata.set(key(op.k), metadataOf(op.m))
      else if (op.t === "range") {
        const all = this.range(key(op.a), key(op.b))
        const taken = all.slice(0, op.n)
        const exhausted = op.n > all.length
        sim.ranges.push({
          start: key(op.a),
          end: exhausted ? key(op.b) : (taken.at(-1)?.[0] ?? ""),
          exhausted,
          results: taken.map(([k, { version }]) => [k, version] as const)
        })
        sim.told.push(taken.map(([k, { value }]) => `${k}=${value}`).join())
      } else if (op.t === "pput") sim.privateWrites.set(key(op.k), op.v === "" ? undefined : op.v)
      else if (op.t === "pdel") sim.privateWrites.set(key(op.k), undefined)
      else if (op.t === "pmeta") sim.privateMetadata.set(key(op.k), metadataOf(op.m))
      else {
        const held = this.secret.get(key(op.k))
        sim.hashReads.set(key(op.k), held?.version)
        sim.told.push(String(held?.value))
      }
    }
    return sim
  }

  /** VALID 0, MVCC_READ_CONFLICT 11, PHANTOM_READ_CONFLICT 12: against the state as it stands now. */
  private codeOf(sim: Simulated): number {
    for (const [key, version] of sim.reads) if (!same(this.state.get(key)?.version, version)) return 11
    for (const { end, exhausted, results, start } of sim.ranges) {
      // not exhausted: up to and including the last key that was seen
      const now = this.range(start, end).map(([key, { version }]) => [key, version] as const)
      const last = this.state.get(end)
      if (!exhausted && last !== undefined) now.push([end, last.version])
      if (now.length !== results.length) return 12
      for (const [i, [key, version]] of now.entries()) {
        const then = results[i]
        if (then === undefined || then[0] !== key || !same(then[1], version)) return 12
      }
    }
    for (const [key, version] of sim.hashReads) if (!same(this.secret.get(key)?.version, version)) return 11
    return 0
  }

  private apply(
    space: Map<string, Held>,
    writes: Map<string, string | undefined>,
    metadata: Map<string, ReadonlyArray<readonly [string, string]>>,
    version: V
  ): void {
    for (const key of new Set([...writes.keys(), ...metadata.keys()])) {
      const old = space.get(key)
      const value = writes.has(key) ? writes.get(key) : old?.value
      if (value === undefined) {
        space.delete(key)
        continue
      }
      const written = metadata.get(key)
      const kept = written === undefined ? old?.metadata : written.length === 0 ? undefined : written
      space.set(key, { value, metadata: kept, version })
    }
  }

  /** Commits a block; gives its codes. `touched`: a key written and deleted in one block still counts as written. */
  commit(block: number, txs: ReadonlyArray<{ readonly id: string; readonly sim: Simulated; readonly code: number }>) {
    const touched = { public: new Set<string>(), secret: new Set<string>() }
    return txs.map(({ code, id, sim }, tx) => {
      if (code !== 0) return code
      const dirty = [...sim.reads.keys()].some((key) => touched.public.has(key))
      const found = dirty ? 11 : this.codeOf(sim)
      const final = found === 0 && [...sim.hashReads.keys()].some((key) => touched.secret.has(key)) ? 11 : found
      if (final !== 0) return final
      const version = { block, tx }
      this.apply(this.state, sim.writes, sim.metadata, version)
      this.apply(this.secret, sim.privateWrites, sim.privateMetadata, version)
      // metadata on a key that is not there touches nothing
      for (const key of sim.writes.keys()) touched.public.add(key)
      for (const key of sim.metadata.keys()) if (this.state.has(key)) touched.public.add(key)
      for (const key of sim.privateWrites.keys()) touched.secret.add(key)
      for (const key of sim.privateMetadata.keys()) if (this.secret.has(key)) touched.secret.add(key)
      for (const [key, value] of sim.writes)
        this.history.set(key, [...(this.history.get(key) ?? []), `${id}:${value ?? "deleted"}`])
      return 0
    })
  }
}

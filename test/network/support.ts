/** Specs, folders and ports for the tests of the developer's network. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll } from "vitest"
import * as layout from "../../src/network/layout.js"
import { anyPorts } from "../../src/network/ports.js"
import { type NetworkOptions, type NetworkSpec, networkSpec } from "../../src/network/spec.js"

/** A folder of this test file's own, removed after its tests. */
export const temporaryFolder = (): ((name: string) => string) => {
  const base = mkdtempSync(join(tmpdir(), "fe-network-"))
  afterAll(() => rmSync(base, { recursive: true, force: true }))
  return (name) => join(base, name)
}

export const specFor = (dir: string, options: NetworkOptions = {}): NetworkSpec =>
  Either.getOrThrow(networkSpec({ ...options, dir }, "/"))

export const portsFor = (spec: NetworkSpec) => Effect.runPromise(anyPorts(layout.peersOf(spec)))

/** The container files' text: what can be wrong is looked at without building, which takes images from outside. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"
import { decodeCore, decodeOrderer } from "../../src/config/index.js"

const root = join(import.meta.dirname, "../..")
const read = (path: string): string => readFileSync(join(root, path), "utf8")
const dockerfile = read("docker/Dockerfile")

interface Service {
  readonly build: { readonly context: string; readonly dockerfile: string; readonly target: string }
  readonly environment: Readonly<Record<string, string>>
  readonly volumes: ReadonlyArray<string>
}
const compose: { readonly services: Readonly<Record<string, Service>>; readonly volumes: object } = parse(
  read("docker/compose.yaml")
)
const service = (name: string): Service => compose.services[name] ?? expect.fail(`no service ${name}`)

/** The variables of a stage of the Dockerfile. */
const variablesOf = (target: string): Readonly<Record<string, string>> => {
  const stage = dockerfile.split(/^FROM /m).find((text) => text.split("\n")[0]?.endsWith(` AS ${target}`)) ?? ""
  const pairs = [...stage.replaceAll("\\\n", " ").matchAll(/^ENV (.*)$/gm)].flatMap(([, line = ""]) =>
    line.trim().split(/\s+/)
  )
  return Object.fromEntries(pairs.map((pair) => [pair.split("=")[0] ?? "", pair.slice(pair.indexOf("=") + 1)]))
}

const originsOf = (kind: "core" | "orderer", env: Readonly<Record<string, string>>): ReadonlySet<string> => {
  const file = `config/${kind}.yaml`
  const options = { env, cwd: "/" }
  const config =
    kind === "core"
      ? Either.getOrThrow(decodeCore(join(root, file), read(file), options))
      : Either.getOrThrow(decodeOrderer(join(root, file), read(file), options))
  return new Set(
    [...config.source.origins.values()].flatMap((origin) => (origin.source === "env" ? [origin.name] : []))
  )
}

const nodes = [
  ["orderer.example.com", "orderer", "orderer", "ORDERER_"],
  ["peer0.org1.example.com", "peer", "core", "CORE_"]
] as const

describe("container files", () => {
  it.each(nodes)("%s: every variable sets a key of the configuration", (name, target, kind, prefix) => {
    const { build, environment } = service(name)
    expect(build).toEqual({ context: "..", dockerfile: "docker/Dockerfile", target })
    const env = { ...variablesOf(target), ...environment }
    const ours = Object.keys(env).filter((variable) => variable.startsWith(prefix))
    expect(ours.length).toBeGreaterThan(10)
    const set = originsOf(kind, env)
    expect(ours.filter((variable) => !set.has(variable))).toEqual([])
    const others = Object.keys(env).filter((variable) => !variable.startsWith(prefix))
    expect(others.every((variable) => variable.startsWith("FABRIC_"))).toBe(true)
  })

  it.each(nodes)("%s: files that variables name are mounted", (name) => {
    const { environment, volumes } = service(name)
    const mounted = volumes.map((volume) => volume.split(":")[1] ?? "")
    const paths = Object.values(environment)
      .flatMap((value) => value.replace(/[[\]]/g, "").split(","))
      .filter((value) => value.startsWith("/"))
    expect(paths.length).toBeGreaterThan(4)
    for (const path of paths)
      expect([path, mounted.some((place) => path === place || path.startsWith(`${place}/`))]).toEqual([path, true])
    for (const volume of volumes)
      if (!volume.startsWith("./")) expect(Object.keys(compose.volumes)).toContain(volume.split(":")[0])
  })

  it("what the Dockerfile copies is there, and its commands are the package's programs", () => {
    const { bin } = JSON.parse(read("package.json"))
    expect(bin).toMatchObject({ peer: "./peer.mjs", orderer: "./orderer.mjs", "fabric-network": "./network.mjs" })
    for (const [, command] of dockerfile.matchAll(/^CMD \["([^"]+)"/gm)) expect(Object.keys(bin)).toContain(command)
    for (const file of [
      "package.json",
      "package-lock.json",
      ".npmrc",
      "config/core.yaml",
      "config/orderer.yaml",
      "config/configtx.yaml"
    ])
      expect([file, dockerfile.includes(file), existsSync(join(root, file))]).toEqual([file, true, true])
    for (const program of Object.values<string>(bin))
      expect(read(program).startsWith("#!/usr/bin/env node\n")).toBe(true)
  })
})

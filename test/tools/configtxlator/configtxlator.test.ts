/** The command and its REST interface. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, describe, expect, it } from "vitest"
import { configtxlator, listen } from "../../../src/tools/configtxlator/index.js"
import { common } from "../../../src/wire/index.js"
import { bytesOf, chainA } from "../../channelconfig/support.js"
import { runTool } from "../support.js"

const folder = mkdtempSync(join(tmpdir(), "configtxlator-"))
afterAll(() => rmSync(folder, { recursive: true }))
const at = (name: string) => join(folder, name)
const run = (argv: ReadonlyArray<string>, stdin?: Uint8Array | string) =>
  runTool(configtxlator, argv, { cwd: folder, ...(stdin === undefined ? {} : { stdin }) })

describe("the command", () => {
  it("decodes and encodes through files and through the standard streams", async () => {
    const decoded = await run(["proto_decode", "--type", "common.Config"], bytesOf("config/acl.before.pb"))
    expect(decoded.code).toBe(0)
    expect(JSON.parse(decoded.stdout.toString()).sequence).toBe("4")
    writeFileSync(at("config.json"), decoded.stdout)
    const encoded = await run(["proto_encode", "--type=common.Config", "--input=config.json", "--output=config.pb"])
    expect(encoded).toMatchObject({ code: 0, stderr: "" })
    expect(common.Config.decode(readFileSync(at("config.pb")))).toEqual(
      common.Config.decode(bytesOf("config/acl.before.pb"))
    )
  })

  it("computes updates", async () => {
    const argv = ["compute_update", "--channel_id", "mychannel", "--original", `${chainA}config/batch.before.pb`]
    const update = await run([...argv, "--updated", `${chainA}config/batch.after.pb`])
    expect(common.ConfigUpdate.decode(update.stdout)).toEqual(
      common.ConfigUpdate.decode(bytesOf("config/batch.update.pb"))
    )
    expect(await run([...argv, "--updated", `${chainA}config/batch.before.pb`])).toMatchObject({
      code: 1,
      stderr:
        "configtxlator: error: Error computing update: error computing config update: no differences detected between original and updated config\n"
    })
  })

  it.each([
    [["proto_decode", "--type", "common.Nope"], "Error decoding: message of type common.Nope unknown"],
    [
      ["proto_encode", "--type", "common.Config", "--input", "nowhere"],
      "open nowhere: no such file or directory, try --help"
    ],
    [["proto_encode"], "required flag --type not provided, try --help"],
    [["proto_encode", "--type"], "expected argument for flag '--type', try --help"],
    [["proto_encode", "--kind", "x"], "unknown long flag '--kind', try --help"],
    [["frobnicate"], 'expected command but got "frobnicate", try --help'],
    [["compute_update", "--channel_id", "c"], "Error computing update: error reading original config: invalid argument"]
  ])("refuses %j", async (argv, text) => {
    expect(await run(argv)).toMatchObject({ code: 1, stderr: `configtxlator: error: ${text}\n` })
  })

  it("leaves the output alone when it fails", async () => {
    const failed = await run(["proto_encode", "--type", "common.Config", "--output", "never.pb"], '{"a":1}')
    expect(failed.stderr).toContain('unknown field "a" in common.Config')
    expect(existsSync(at("never.pb"))).toBe(false)
  })

  it("tells its version and its use", async () => {
    expect((await run(["version"])).stdout.toString()).toMatch(/^configtxlator:\n Version: 1\.4\.12\n/)
    expect((await run([])).code).toBe(1)
    expect((await run(["--help"])).code).toBe(0)
  })
})

describe("REST", () => {
  const serving = <A>(use: (base: string) => Promise<A>, origins: ReadonlyArray<string> = []): Promise<A> =>
    Effect.runPromise(
      Effect.scoped(
        Effect.flatMap(listen("127.0.0.1", 0, origins), (port) => Effect.promise(() => use(`http://127.0.0.1:${port}`)))
      )
    )
  const post = (body: Uint8Array | string | FormData) => ({ method: "POST", body })
  const seen = async (answer: Response) => ({ status: answer.status, text: await answer.text() })
  const form = (fields: Readonly<Record<string, string | Uint8Array>>): FormData => {
    const out = new FormData()
    for (const [name, value] of Object.entries(fields)) {
      out.set(name, typeof value === "string" ? value : new Blob([value]))
    }
    return out
  }

  it("translates", () =>
    serving(async (base) => {
      const json = await fetch(`${base}/protolator/decode/common.Config`, post(bytesOf("config/acl.before.pb")))
      expect(json.headers.get("content-type")).toBe("application/json")
      const bytes = await fetch(`${base}/protolator/encode/common.Config`, post(await json.text()))
      expect(bytes.headers.get("content-type")).toBe("application/octet-stream")
      expect(common.Config.decode(new Uint8Array(await bytes.arrayBuffer()))).toEqual(
        common.Config.decode(bytesOf("config/acl.before.pb"))
      )
    }))

  it("computes updates from uploaded configurations", () =>
    serving(async (base) => {
      const url = `${base}/configtxlator/compute/update-from-configs`
      const [original, updated] = [bytesOf("config/acl.before.pb"), bytesOf("config/acl.after.pb")]
      const update = await fetch(url, post(form({ original, updated, channel: "mychannel" })))
      expect(common.ConfigUpdate.decode(new Uint8Array(await update.arrayBuffer()))).toEqual(
        common.ConfigUpdate.decode(bytesOf("config/acl.update.pb"))
      )
      expect(await seen(await fetch(url, post(form({ original, updated: original }))))).toEqual({
        status: 400,
        text: "Error computing update: no differences detected between original and updated config\n"
      })
      expect(await seen(await fetch(url, post(form({ original }))))).toEqual({
        status: 400,
        text: "Error with field 'updated': error reading field bytes: http: no such file\n"
      })
      expect((await seen(await fetch(url, post("x")))).status).toBe(400)
    }))

  it("judges configurations", () =>
    serving(async (base) => {
      const verify = async (body: Uint8Array) =>
        JSON.parse((await seen(await fetch(`${base}/configtxlator/config/verify`, post(body)))).text)
      expect(await verify(bytesOf("config/acl.before.pb"))).toEqual({
        general_errors: null,
        element_warnings: null,
        element_errors: null
      })
      expect(await verify(new Uint8Array())).toMatchObject({ general_errors: ["config must contain a channel group"] })
      const config = common.Config.decode(bytesOf("config/acl.before.pb"))
      const principal = common.MSPRole.encode({ mspIdentifier: "Stranger", role: 0 })
      const policy = common.SignaturePolicyEnvelope.encode({ rule: { signedBy: 0 }, identities: [{ principal }] })
      const group = config.channelGroup ?? common.ConfigGroup.create()
      const policies = new Map(group.policies).set(
        "Odd",
        common.ConfigPolicy.create({ policy: { type: 1, value: policy } })
      )
      expect(await verify(common.Config.encode({ channelGroup: { ...group, policies } }))).toMatchObject({
        element_warnings: [
          {
            path: ".policies.Odd",
            message: "identity principal at index 0 refers to MSP ID 'Stranger', which is not an MSP in the network"
          }
        ]
      })
    }))

  it("answers what it does not know", () =>
    serving(async (base) => {
      const url = `${base}/protolator/decode`
      expect(await seen(await fetch(`${url}/common.Nope`, post("x")))).toEqual({
        status: 404,
        text: "message name not found\n"
      })
      expect((await seen(await fetch(`${url}/common.Config`))).status).toBe(405)
      expect((await seen(await fetch(`${base}/nowhere`))).status).toBe(404)
      expect((await seen(await fetch(`${url}/common.Config`, post(Uint8Array.of(0xff))))).status).toBe(400)
    }))

  it("keeps cross-origin rules", () =>
    serving(
      async (base) => {
        const url = `${base}/protolator/encode/common.Config`
        const preflight = (origin: string, method = "POST") =>
          fetch(url, { method: "OPTIONS", headers: { Origin: origin, "Access-Control-Request-Method": method } })
        expect((await preflight("http://a")).headers.get("access-control-allow-origin")).toBe("http://a")
        expect((await preflight("http://b")).headers.get("access-control-allow-origin")).toBeNull()
        expect((await preflight("http://a", "PUT")).status).toBe(405)
      },
      ["http://a"]
    ))

  it("says when the address is taken", () =>
    serving(async (base) => {
      const port = Number(new URL(base).port)
      const taken = await runTool(configtxlator, ["start", "--hostname", "127.0.0.1", "--port", String(port)])
      expect(taken.code).toBe(1)
      expect(taken.stderr).toContain(`Could not bind to address '127.0.0.1:${port}'`)
    }))
})

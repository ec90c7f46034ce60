/** `peer node config`: effective values, their origin, masked secrets; what the node then starts with. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { peerCommand } from "../../../src/peer/cli/index.js"
import { tempFolder } from "../node/support.js"

const call = (argv: ReadonlyArray<string>, env: Readonly<Record<string, string>>, cwd: string) =>
  Effect.gen(function* () {
    let [stdout, stderr] = ["", ""]
    const status = yield* peerCommand(
      argv,
      {
        cwd,
        env,
        stdout: (data) => {
          stdout += data
        },
        stderr: (text) => {
          stderr += text
        }
      },
      { start: () => Effect.die("the node was started") }
    )
    return { status, stdout, stderr }
  })

it.scopedLive("tells every key with its value and where it came from, and no secret", () =>
  Effect.gen(function* () {
    const folder = yield* tempFolder
    writeFileSync(
      join(folder, "core.yaml"),
      `
peer:
  id: peer0
  tls: { enabled: true }
  gossip: { bootstrap: [a:1, b:2] }
  BCCSP: { PKCS11: { Pin: "98765" } }
ledger: { state: { couchDBConfig: { username: admin, password: hidden-one } } }
tracing: { otlp: { headers: { authorization: hidden-two } } }
`
    )
    const { status, stderr, stdout } = yield* call(
      ["node", "config"],
      {
        FABRIC_CFG_PATH: folder,
        CORE_PEER_NETWORKID: "net1",
        CORE_LEDGER_STATE_COUCHDBCONFIG_PASSWORD: "hidden-three"
      },
      "/"
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" })
    const lines = stdout.trimEnd().split("\n")
    expect(lines).toContain(`peer.id = "peer0"  # core.yaml:3`)
    expect(lines).toContain('peer.networkId = "net1"  # env CORE_PEER_NETWORKID')
    expect(lines).toContain(`peer.tls.enabled = true  # core.yaml:4`)
    expect(lines).toContain(`peer.gossip.bootstrap = [a:1 b:2]  # core.yaml:5`)
    expect(lines).toContain("peer.tls.reloadInterval = 0s  # default")
    expect(lines).toContain(
      'ledger.state.couchDBConfig.password = "***"  # env CORE_LEDGER_STATE_COUCHDBCONFIG_PASSWORD'
    )
    expect(lines.filter((line) => line.includes('= "***"')).map((line) => line.split(" ")[0])).toEqual([
      "peer.BCCSP.PKCS11.Pin",
      "ledger.state.couchDBConfig.password",
      "tracing.otlp.headers"
    ])
    expect(stdout).not.toMatch(/hidden|98765/)
    for (const line of lines) expect(line).toMatch(/^[\w.]+ = .*? {2}# (default|override|env CORE_\w+|core\.yaml:\d+)$/)
  })
)

it.scopedLive("says what is wrong, status 1", () =>
  Effect.gen(function* () {
    const folder = yield* tempFolder
    expect(yield* call(["node", "config"], { FABRIC_CFG_PATH: "/nowhere" }, "/")).toEqual({
      status: 1,
      stdout: "",
      stderr: "Fatal error when initializing core config : FABRIC_CFG_PATH /nowhere does not exist\n"
    })
    writeFileSync(join(folder, "core.yaml"), "peer: { tls: { enabled: perhaps } }\n")
    const bad = yield* call(["node", "config"], { FABRIC_CFG_PATH: folder }, "/")
    expect(bad.status).toBe(1)
    expect(bad.stderr).toMatch(/peer\.tls\.enabled.*core\.yaml:1/s)
    const trailing = yield* call(["node", "config", "x"], { FABRIC_CFG_PATH: folder }, "/")
    expect([trailing.status, trailing.stderr.split("\n")[0]]).toEqual([1, "Error: trailing args detected"])
  })
)

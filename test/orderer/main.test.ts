/** Command line, texts and exit codes, as the launcher gets them. */
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { main } from "../../src/orderer/main.js"
import { chainA, temporaryFolder } from "./support/node.js"
import { environment, freePort } from "./support/process.js"

/** Runs to the end; the program must end by itself. */
const run = (argv: ReadonlyArray<string>, env: Record<string, string>) =>
  Effect.promise(async () => {
    let stdout = ""
    let stderr = ""
    const code = await main({
      argv,
      argv0: "/usr/bin/orderer",
      env,
      cwd: import.meta.dirname,
      stdout: (text) => {
        stdout += text
      },
      stderr: (text) => {
        stderr += text
      },
      kill: () => {}
    })
    return { code, stdout, stderr }
  })

describe("command line (acceptance checks 1 to 4)", () => {
  it.scopedLive("version: five lines and an empty one, without any configuration", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(["version"], { FABRIC_CFG_PATH: "/nowhere" })
      expect(code).toBe(0)
      expect(stderr).toBe("")
      expect(stdout).toMatch(
        /^orderer:\n Version: 1\.4\.12\n Commit SHA: .+\n Go version: .+\n OS\/Arch: \w+\/\w+\n\n$/
      )
    })
  )
  it.effect("help goes to stderr and ends with 0; what it does not know ends with 1", () =>
    Effect.gen(function* () {
      const help = yield* run(["--help"], {})
      expect(help).toMatchObject({ code: 0, stdout: "" })
      expect(help.stderr).toMatch(
        /^usage: orderer \[<flags>\] <command> \[<args> \.\.\.\]\n\nHyperledger Fabric orderer node\n/
      )
      for (const text of [
        "start*\n    Start the orderer node",
        "Show version information",
        "Run orderer in benchmark mode"
      ]) {
        expect(help.stderr).toContain(text)
      }
      expect(yield* run(["help"], {})).toEqual(help)
      expect((yield* run(["help", "version"], {})).stderr).toContain("usage: orderer version")
      expect((yield* run(["version", "--help"], {})).stderr).toContain("usage: orderer version")
      const refused = (text: string) => ({ code: 1, stdout: "", stderr: `orderer: error: ${text}, try --help\n` })
      expect(yield* run(["foo"], {})).toEqual(refused("unexpected foo"))
      expect(yield* run(["start", "foo"], {})).toEqual(refused("unexpected foo"))
      expect(yield* run(["--foo"], {})).toEqual(refused("unknown long flag '--foo'"))
      expect(yield* run(["--version"], {})).toEqual(refused("unknown long flag '--version'"))
      expect(yield* run(["-x"], {})).toEqual(refused("unknown short flag '-x'"))
      expect((yield* run(["--completion-bash"], {})).stdout).toBe("help\nstart\nversion\nbenchmark\n")
    })
  )
})

describe("a start that fails", () => {
  const noTrace = /^\s+at .+:\d+:\d+\)?$/m

  it.scopedLive("tells what is wrong with the configuration (check 2) and the log spec", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      fs.writeFileSync(path.join(folder, "orderer.yaml"), "General:\n  LogLevel: info\n")
      const none = yield* run(["start"], { FABRIC_CFG_PATH: path.join(folder, "nowhere") })
      expect(none.code).toBe(1)
      expect(none.stderr).toContain('failed to parse config:  Error reading configuration: Unsupported Config Type ""')
      const unknown = yield* run(["start"], { FABRIC_CFG_PATH: folder })
      expect(unknown.code).toBe(1)
      expect(unknown.stderr).toContain("* 'General' has invalid keys: LogLevel")
      const spec = yield* run(["version"], { FABRIC_LOGGING_SPEC: "nonsense" })
      expect(spec).toEqual({
        code: 2,
        stdout: "",
        stderr: "panic: invalid logging specification 'nonsense': bad segment 'nonsense'\n"
      })
    })
  )

  type Case = readonly [
    name: string,
    env: (folder: string) => Record<string, string>,
    code: number,
    stage: string,
    text: string
  ]
  const cases: ReadonlyArray<Case> = [
    [
      "the genesis block of an application channel (check 4)",
      () => ({ ORDERER_GENERAL_GENESISFILE: path.join(chainA, "orderer/blocks/000000.block") }),
      2,
      "bootstrap block",
      "Failed validating bootstrap block: the block isn't a system channel block because it lacks ConsortiumsConfig"
    ],
    [
      "no genesis block (check 4)",
      () => ({ ORDERER_GENERAL_GENESISFILE: "/nowhere/genesis.block" }),
      2,
      "bootstrap block",
      "unable to bootstrap orderer. Error reading genesis block file: "
    ],
    [
      "a genesis block that is none",
      () => ({ ORDERER_GENERAL_GENESISFILE: import.meta.filename }),
      2,
      "bootstrap block",
      "unable to bootstrap orderer. Error unmarshalling genesis block: "
    ],
    [
      "an unknown genesis method",
      () => ({ ORDERER_GENERAL_GENESISMETHOD: "magic" }),
      2,
      "bootstrap block",
      "Unknown genesis method: magic"
    ],
    [
      "a profile that is not there",
      () => ({ ORDERER_GENERAL_GENESISMETHOD: "provisional", ORDERER_GENERAL_GENESISPROFILE: "Nobody" }),
      2,
      "bootstrap block",
      "Could not find profile"
    ],
    [
      "no identity",
      () => ({ ORDERER_GENERAL_LOCALMSPDIR: "/nowhere/msp" }),
      1,
      "local MSP",
      "Failed to initialize local MSP: "
    ],
    [
      "TLS without its certificate",
      () => ({ ORDERER_GENERAL_TLS_ENABLED: "true", ORDERER_GENERAL_TLS_CERTIFICATE: "/nowhere/server.crt" }),
      1,
      "TLS material",
      "Failed to load server Certificate file '/nowhere/server.crt' (open /nowhere/server.crt: no such file or directory)"
    ],
    [
      "an operations address that cannot be had",
      () => ({ ORDERER_OPERATIONS_LISTENADDRESS: "192.0.2.1:1" }),
      2,
      "operations",
      "failed to initialize operations subsystem: listen tcp 192.0.2.1:1"
    ],
    [
      "a ledger folder that is a file",
      () => ({ ORDERER_FILELEDGER_LOCATION: import.meta.filename }),
      2,
      "ledgers",
      import.meta.filename
    ],
    [
      "an address in use",
      () => ({ ORDERER_GENERAL_LISTENADDRESS: "192.0.2.1" }),
      1,
      "gRPC server",
      "Failed to listen: listen tcp 192.0.2.1:"
    ]
  ]
  for (const [name, env, code, stage, text] of cases) {
    it.scopedLive(name, () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const result = yield* run(["start"], { ...environment(folder, yield* freePort), ...env(folder) })
        expect(result.stderr).toContain(`Error: stage ${stage} failed\n  cause:  `)
        expect(result.stderr).toContain(text)
        expect(result.stderr).toMatch(/\n {2}remedy: .+\n$/)
        expect(result.stderr).not.toMatch(noTrace)
        expect(result.code).toBe(code)
      })
    )
  }
  it.scopedLive("shows the trace when the log spec says debug", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const env = {
        ...environment(folder, yield* freePort),
        FABRIC_LOGGING_SPEC: "debug",
        ORDERER_GENERAL_GENESISMETHOD: "magic"
      }
      expect((yield* run([], env)).stderr).toMatch(noTrace)
    })
  )
})

/** How command lines are read; every expectation was seen on the reference's program (1.4.12). */
import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import { versionInfo } from "../../../src/peer/version.js"
import { run, words } from "./support.js"

const env = { FABRIC_CFG_PATH: "/nowhere/at/all", FABRIC_LOGGING_FORMAT: "%{level} [%{module}] %{message}" }
const call = (line: string) => Effect.runPromise(run(words(line), env))

describe("help goes to stdout with status 0", () => {
  test.each([
    ["", "Usage:\n  peer [command]\n\nAvailable Commands:\n  chaincode   "],
    [
      "--help",
      '\n\nFlags:\n  -h, --help   help for peer\n\nUse "peer [command] --help" for more information about a command.\n'
    ],
    ["channel", "Usage:\n  peer channel [command]\n"],
    ["channel bogus", "Usage:\n  peer channel [command]\n"],
    ["-h channel", "Usage:\n  peer [command]\n"],
    ["help channel join", "Usage:\n  peer channel join [flags]\n\nFlags:\n  -b, --blockpath string   "],
    ["channel create --help", "\n  -t, --timeout duration     "],
    ["channel create --help", "(default 10s)\n\nGlobal Flags:\n      --cafile string                       "],
    ["channel fetch -h", "Usage:\n  peer channel fetch <newest|oldest|config|(number)> [outputfile] [flags]\n"],
    ["chaincode invoke -h", "\n      --tlsRootCertFiles stringArray   "],
    ["chaincode invoke -h", '(default "{}")\n'],
    ["node start --help", "\n  -h, --help                help for start\n      --peer-chaincodedev   "]
  ])("'%s'", async (line, part) => {
    const { status, stderr, stdout } = await call(line)
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" })
    expect(stdout).toContain(part)
    expect(stdout).not.toContain("logging-level")
  })
  test("an unknown topic is said on stderr", async () => {
    const { status, stderr } = await call("help bogus")
    expect(status).toBe(0)
    expect(stderr.startsWith("Unknown help topic [`bogus`]\nUsage:\n  peer [command]\n")).toBe(true)
  })
})

describe("wrong words go to stderr with status 1", () => {
  const ofList = "Usage:\n  peer chaincode list [flags]\n"
  test.each([
    ["bogus", 'Error: unknown command "bogus" for "peer"\nRun \'peer --help\' for usage.\n'],
    [
      "chanel",
      'Error: unknown command "chanel" for "peer"\n\nDid you mean this?\n\tchannel\n\nRun \'peer --help\' for usage.\n'
    ],
    ["--tls channel create", 'Error: unknown command "create" for "peer"\n'],
    ["chaincode list --bogus", `Error: unknown flag: --bogus\n${ofList}`],
    ["channel list -é", "Error: unknown shorthand flag: 'Ã' in -é\nUsage:\n  peer channel list [flags]\n"],
    ["chaincode list -z", `Error: unknown shorthand flag: 'z' in -z\n${ofList}`],
    ["chaincode query -C a -n", "Error: flag needs an argument: 'n' in -n\nUsage:\n  peer chaincode query [flags]\n"],
    ["channel create --channelID", "Error: flag needs an argument: --channelID\nUsage:"],
    ["---x", "Error: bad flag syntax: ---x\nUsage:\n  peer [command]\n"],
    [
      "chaincode invoke --waitForEvent=maybe",
      'Error: invalid argument "maybe" for "--waitForEvent" flag: strconv.ParseBool: parsing "maybe": invalid syntax\n'
    ],
    [
      "chaincode invoke --waitForEventTimeout=zz",
      'Error: invalid argument "zz" for "--waitForEventTimeout" flag: time: invalid duration "zz"\n'
    ],
    [
      "channel create -t 5",
      'Error: invalid argument "5" for "-t, --timeout" flag: time: missing unit in duration "5"\n'
    ],
    ["version more", "Error: trailing args detected\nUsage:\n  peer version [flags]\n"]
  ])("'%s'", async (line, text) => {
    const { status, stderr, stdout } = await call(line)
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" })
    expect(stderr.slice(0, text.length)).toBe(text)
  })
})

test("the node is started by the program, with its flag", async () => {
  expect((await call("node start")).status).toBe(100)
  expect((await call("--logging-level debug node start --peer-chaincodedev")).status).toBe(101)
})

test("version needs no configuration", async () => {
  const { status, stdout } = await call("version")
  expect(status).toBe(0)
  expect(/^ Version: (.*)$/m.exec(stdout)?.[1]).toBe("1.4.12")
})

test("the version block, as scripts cut it", () => {
  expect(versionInfo({ arch: "x64", platform: "linux", version: "v20.0.0" })).toBe(
    "peer:\n Version: 1.4.12\n Commit SHA: development build\n Go version: node v20.0.0\n OS/Arch: linux/amd64\n Chaincode:\n  Base Image Version: 0.4.22\n  Base Docker Namespace: hyperledger\n  Base Docker Label: org.hyperledger.fabric\n  Docker Namespace: hyperledger\n\n"
  )
})

test("all else does, before it looks at its arguments", async () => {
  const { status, stderr } = await call("channel create")
  expect(status).toBe(1)
  expect(stderr).toBe(
    "ERROR [main] Fatal error when initializing core config : FABRIC_CFG_PATH /nowhere/at/all does not exist\n"
  )
})

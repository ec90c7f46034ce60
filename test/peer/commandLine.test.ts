import { describe, expect, test } from "vitest"
import { parseCommandLine } from "../../src/peer/commandLine.js"
import { versionInfo } from "../../src/peer/version.js"

const parse = (line: string) => parseCommandLine(line === "" ? [] : line.split(" "))

describe("the command line", () => {
  test.each([
    ["", false],
    ["node start", false],
    ["node start --peer-chaincodedev", true],
    ["node start --peer-chaincodedev=true", true],
    ["node start --peer-chaincodedev=F", false],
    ["--peer-chaincodedev", true],
    ["node --peer-chaincodedev start", true],
    ["--logging-level debug node start", false]
  ])("'%s' starts", (line, devMode) => {
    expect(parse(line)).toEqual({ _tag: "Start", devMode })
  })
  test("version", () => {
    expect(parse("version")).toEqual({ _tag: "Version" })
  })
  test.each([
    ["--help", "Usage:\n  peer [command]"],
    ["-h", "Usage:\n  peer [command]"],
    ["help", "Usage:\n  peer [command]"],
    ["node", "Usage:\n  peer node [command]"],
    ["node bogus", "Usage:\n  peer node [command]"],
    ["node --help", "Usage:\n  peer node [command]"],
    ["node start --help", "Usage:\n  peer node start [flags]"],
    ["version -h", "Usage:\n  peer version [flags]"]
  ])("'%s' prints help", (line, text) => {
    expect(parse(line)).toMatchObject({ _tag: "Print", text: expect.stringContaining(text) })
  })
  test.each([
    ["bogus", 'Error: unknown command "bogus" for "peer"\nRun \'peer --help\' for usage.\n'],
    ["node start more", "Error: trailing args detected\nUsage:\n  peer node start [flags]\n"],
    ["version more", "Error: trailing args detected\nUsage:\n  peer version [flags]\n"],
    ["node start --bogus", "Error: unknown flag: --bogus\nUsage:"],
    ["node start -x", "Error: unknown shorthand flag: 'x' in -x\nUsage:"],
    ["version --peer-chaincodedev", "Error: unknown flag: --peer-chaincodedev\n"],
    [
      "node start --peer-chaincodedev=maybe",
      'Error: invalid argument "maybe" for "--peer-chaincodedev" flag: strconv.ParseBool: parsing "maybe": invalid syntax\n'
    ],
    ["channel list", 'Error: the command "peer channel" is not part of this version'],
    ["node reset", 'Error: the command "peer node reset" is not part of this version']
  ])("'%s' is refused", (line, text) => {
    expect(parse(line)).toMatchObject({ _tag: "Refused", text: expect.stringContaining(text) })
  })
  test("the version block, as scripts cut it", () => {
    const text = versionInfo({ arch: "x64", platform: "linux", version: "v20.0.0" })
    expect(/^ Version: (.*)$/m.exec(text)?.[1]).toBe("1.4.12")
    expect(text).toBe(
      "peer:\n Version: 1.4.12\n Commit SHA: development build\n Go version: node v20.0.0\n OS/Arch: linux/amd64\n Chaincode:\n  Base Image Version: 0.4.22\n  Base Docker Namespace: hyperledger\n  Base Docker Label: org.hyperledger.fabric\n  Docker Namespace: hyperledger\n\n"
    )
  })
})

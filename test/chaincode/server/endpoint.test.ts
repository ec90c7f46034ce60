/** Which address chaincode is told, by the reference's cases. */
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { chaincodeEndpoint, isUnspecified, withPort } from "../../../src/chaincode/server/endpoint.js"

const INVALID = "invalid endpoint for chaincode to connect"

/** address, listen address, peer host, then endpoint and bound address in net mode, or the error. */
const CASES: ReadonlyArray<readonly [string, string, string, string, string | undefined]> = [
  ["cc.example.com:9999", "", "peer0", "cc.example.com:9999", "peer0:7052"],
  ["cc.example.com:9999", "0.0.0.0:7052", "peer0", "cc.example.com:9999", "0.0.0.0:7052"],
  ["10.0.0.1:1", "10.0.0.2:2", "0.0.0.0", "10.0.0.1:1", "10.0.0.2:2"],
  ["0.0.0.0:7052", "", "peer0", INVALID, undefined],
  ["[::]:7052", "", "peer0", INVALID, undefined],
  ["[::ffff:0.0.0.0]:7052", "", "peer0", INVALID, undefined],
  ["nonsense", "", "peer0", "address nonsense: missing port in address", undefined],
  ["", "127.0.0.1:7152", "peer0", "127.0.0.1:7152", "127.0.0.1:7152"],
  ["", "0.0.0.0:7152", "peer0.org1", "peer0.org1:7152", "0.0.0.0:7152"],
  ["", "[::]:7152", "10.1.1.1", "10.1.1.1:7152", "[::]:7152"],
  ["", "0.0.0.0:7152", "0.0.0.0", INVALID, undefined],
  ["", "0.0.0.0:7152", "::", INVALID, undefined],
  ["", "7152", "peer0", "address 7152: missing port in address", undefined],
  ["", "", "peer0", "peer0:7052", "peer0:7052"],
  ["", "", "fe80::1", "[fe80::1]:7052", "[fe80::1]:7052"],
  ["", "", "0.0.0.0", INVALID, undefined]
]

describe("the endpoint", () => {
  it.each(CASES)(
    "of address '%s', listen '%s', peer '%s' is %s",
    (chaincodeAddress, listenAddress, peerHost, expected, listen) => {
      const input = { chaincodeAddress, listenAddress, peerHost }
      const net = chaincodeEndpoint({ ...input, devMode: false })
      const dev = chaincodeEndpoint({ ...input, devMode: true })
      if (listen === undefined) {
        expect(Either.isLeft(net) && net.left.message).toBe(expected)
        expect(Either.isRight(dev) && dev.right.address).toBe("0.0.0.0:7052")
        expect(Either.isRight(dev) && dev.right.warnings[0]).toContain(expected)
      } else {
        expect(Either.isRight(net) && [net.right.address, net.right.listenAddress]).toEqual([expected, listen])
        expect(Either.isRight(net) && net.right.warnings).toHaveLength(listenAddress === "" ? 1 : 0)
        expect(dev).toEqual(net)
      }
    }
  )

  it("takes the bound port where it was left open", () => {
    const open = Either.getOrThrow(
      chaincodeEndpoint({ chaincodeAddress: "", listenAddress: "127.0.0.1:0", peerHost: "p", devMode: false })
    )
    expect(withPort(open, 4242).address).toBe("127.0.0.1:4242")
    const fixed = { ...open, address: "h:1" }
    expect(withPort(fixed, 4242)).toBe(fixed)
  })

  it("knows unspecified addresses in every spelling, and nothing else", () => {
    expect(["0.0.0.0", "::", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0", "::ffff:0:0"].every(isUnspecified)).toBe(true)
    expect(["127.0.0.1", "::1", "localhost", "", "0.0.0.0.example", "::%eth0", "0"].some(isUnspecified)).toBe(false)
  })
})

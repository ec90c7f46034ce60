import { describe, expect, it } from "vitest"
import { certificateExpiresAt, expirationNotice, expiresAt } from "../../src/msp/index.js"
import { goBytes, goDuration, goHex } from "../../src/msp/text.js"
import { ca, creator, DAY, issue, NOW, pem, serialized } from "./support.js"

const root = ca()
const END = NOW + 8 * DAY
const leaf = issue(root, { notAfter: END })

describe("expiry", () => {
  it("is read from serialized identities, and unknown for what does not parse", () => {
    expect(expiresAt(creator(leaf))).toBe(END)
    expect(certificateExpiresAt(pem(leaf))).toBe(END)
    expect(expiresAt(serialized("M", Buffer.from("x")))).toBeUndefined()
    expect(expiresAt(Buffer.from("ff", "hex"))).toBeUndefined()
    expect(certificateExpiresAt(Buffer.from("-----BEGIN A-----\nAAAA\n-----END A-----\n"))).toBeUndefined()
  })

  it("is announced at start, warned about in the last week, and by a timer before it", () => {
    const end = new Date(END).toISOString().slice(0, 19).replace("T", " ")
    const info = `The enrollment certificate will expire on ${end} +0000 UTC`
    expect(expirationNotice("enrollment", pem(leaf), NOW)).toEqual({
      info,
      warning: undefined,
      later: { inMs: DAY, warning: "The enrollment certificate will expire within one week" }
    })
    expect(expirationNotice("enrollment", pem(leaf), END - 3 * DAY - 7_200_000)).toEqual({
      info,
      warning: "The enrollment certificate expires within 3 days and 2 hours",
      later: undefined
    })
    expect(expirationNotice("server TLS", pem(leaf), END + 1)?.warning).toBe("The server TLS certificate has expired")
    expect(expirationNotice("client TLS", Buffer.from("x"), NOW)).toBeUndefined()
  })
})

describe("Go's formats", () => {
  it("of durations, numbers and octets", () => {
    expect([0, 250, 1000, 61_500, 3_600_000, 90_061_001, -1500].map(goDuration)).toEqual([
      "0s",
      "250ms",
      "1s",
      "1m1.5s",
      "1h0m0s",
      "25h1m1.001s",
      "-1.5s"
    ])
    expect([goHex(255n), goHex(-16n)]).toEqual(["ff", "-10"])
    expect(goBytes(Uint8Array.of(1, 2))).toBe("[1 2]")
    expect(goBytes(new Uint8Array(1000))).toMatch(/ \.\.\. 1000 octets\]$/)
  })
})

import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  connectMessage,
  decodeOffsets,
  encodeOffsets,
  regularMessage,
  timeToCutMessage
} from "../../../../src/orderer/consensus/kafka/messages.js"
import { initialOffsets } from "../../../../src/orderer/consensus/kafka/process.js"
import { createsTopics } from "../../../../src/orderer/consensus/kafka/topic.js"
import { toHex } from "../../../../src/wire/protoutil.js"

const offsets = (persisted: bigint, processed = 0n, resubmitted = 0n) => ({
  lastOffsetPersisted: persisted,
  lastOriginalOffsetProcessed: processed,
  lastResubmittedConfigOffset: resubmitted
})

describe("bytes of the topic (section 4 items 5 and 6)", () => {
  it("are those of the sheet", () => {
    expect(toHex(connectMessage())).toBe("1a00")
    expect(toHex(timeToCutMessage(5n))).toBe("12020805")
    expect(toHex(regularMessage("normal", Uint8Array.of(0xaa, 0xbb), 0n, 0n))).toBe("0a060a02aabb1801")
    expect(toHex(regularMessage("config", Uint8Array.of(0xaa), 3n, 300n))).toBe("0a0a0a01aa1003180220ac02")
    expect(toHex(encodeOffsets(offsets(7n)))).toBe("0807")
    expect(toHex(encodeOffsets(offsets(-1n)))).toBe("08ffffffffffffffffff01")
  })
  it("an empty slot starts at the oldest record; a broken one is refused", () => {
    expect(decodeOffsets(new Uint8Array())).toEqual(Either.right(initialOffsets))
    expect(Either.isLeft(decodeOffsets(Uint8Array.of(0x08)))).toBe(true)
  })
  it("offsets come back exactly, beyond 2^53 and below zero", () => {
    const int64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)
    fc.assert(
      fc.property(int64, int64, int64, (persisted, processed, resubmitted) => {
        fc.pre(persisted !== 0n || processed !== 0n || resubmitted !== 0n)
        const made = offsets(persisted, processed, resubmitted)
        expect(decodeOffsets(encodeOffsets(made))).toEqual(Either.right(made))
      })
    )
  })
  it("topics are created from protocol level 0.10.1.0 on", () => {
    const levels = ["0.8.2.0", "0.9.0.1", "0.10.0.1", "0.10.1.0", "0.10.2.0", "0.11.0.0", "1.0.0.0"]
    expect(levels.map(createsTopics)).toEqual([false, false, false, true, true, true, true])
  })
})

import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Either from "effect/Either"
import { expect, it } from "vitest"
import { Bundle } from "../../../src/channelconfig/index.js"
import { ConfigEventer } from "../../../src/gossip/service/index.js"
import { common } from "../../../src/wire/index.js"

/** The recorded channel's configurations: the first, then one with each organisation's anchor peer. */
const bundles = [0, 1, 2].map((number) =>
  Either.getOrThrow(
    Bundle.fromBlock(
      common.Block.decode(readFileSync(join("test", "vectors", "chain-a", "blocks", `00000${number}.block`)))
    )
  )
)
const [first, second, third] = bundles
if (first === undefined || second === undefined || third === undefined) throw new Error("no configurations")

it("joins with organisations and anchors, again when they change, not for the same", () => {
  const eventer = new ConfigEventer("Org1MSP")
  const joined = [first, first, second, second, third].map((bundle) => eventer.next(bundle))
  expect(joined.map(({ _tag }) => _tag)).toEqual(["Join", "Unchanged", "Join", "Unchanged", "Join"])
  const [, , , , last] = joined
  if (last?._tag !== "Join") throw new Error("not joined")
  expect(last.join.channelId).toBe("mychannel")
  expect(last.join.sequence).toBe(third.sequence)
  expect([...last.join.orgs].sort()).toEqual(["Org1MSP", "Org2MSP"])
  expect(last.join.anchorPeers.get("Org1MSP")).toEqual([{ host: "127.0.0.1", port: 7051 }])
  expect(last.join.anchorPeers.get("Org2MSP")).toEqual([{ host: "127.0.0.1", port: 9051 }])
})

it("does not join a channel of others; says so once", () => {
  const eventer = new ConfigEventer("Org9MSP")
  const event = eventer.next(third)
  expect(event).toMatchObject({
    _tag: "Outside",
    text: expect.stringMatching(/^Tried joining channel mychannel but our org\( Org9MSP \), isn't among the orgs of/)
  })
  expect(eventer.next(third)._tag).toBe("Unchanged")
})

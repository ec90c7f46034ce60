/** What was acknowledged must be in the chain. Not a test. */
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import type { ClientSigner } from "../../../src/client/index.js"
import { deliverAll, seekMessage, textsOf, waitForHeight } from "./node.js"
import type { start } from "./program.js"

/** Every acknowledged message is in the chain, once; in the order of its acknowledgement. */
export const allOf = (
  node: Effect.Effect.Success<ReturnType<typeof start>>,
  user: ClientSigner,
  acknowledged: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const last = acknowledged.at(-1)
    for (let height = 2n; ; height = (node.registrar.channel("mychannel")?.ledger.height() ?? 0n) + 1n) {
      yield* waitForHeight(node, "mychannel", height)
      const { blocks } = yield* deliverAll(
        node.client,
        seekMessage(user, "mychannel", 1n, "newest", { bestEffort: true })
      )
      const texts = textsOf(blocks)
      if (!texts.includes(last ?? "")) continue
      const wanted = new Set(acknowledged)
      expect(texts.filter((text) => wanted.has(text))).toEqual(acknowledged)
      expect(new Set(texts).size).toBe(texts.length)
      return
    }
  })

/**
 * The recorded chain through a channel's whole commit line on a real ledger: the blocks that the orderer served go in,
 * the stored blocks carry Go's codes and commit hashes.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { assert, describe, it } from "vitest"
import type { PeerLedgerShape } from "../../../src/ledger/index.js"
import { common } from "../../../src/wire/index.js"
import { EMPTY, metadataSlot, toHex } from "../../../src/wire/protoutil.js"
import { committer, inFolder, surroundings, withLedger } from "./committing.js"

const home = join(import.meta.dirname, "..", "..", "vectors", "chain-a")
const read = (folder: string) =>
  readdirSync(join(home, folder))
    .sort()
    .map((name) => readFileSync(join(home, folder, name)))
const served = read("orderer/blocks")
const expected = read("blocks").map((bytes) => common.Block.decode(bytes))

const compare = (ledger: PeerLedgerShape) =>
  Effect.gen(function* () {
    for (const [i, recorded] of expected.entries()) {
      if (i === 0) continue
      const stored = common.Block.decode(yield* ledger.get(BigInt(i)))
      for (const slot of [common.BlockMetadataIndex.TRANSACTIONS_FILTER, common.BlockMetadataIndex.COMMIT_HASH])
        assert.equal(toHex(metadataSlot(stored, slot)), toHex(metadataSlot(recorded, slot)), `block ${i}, slot ${slot}`)
    }
  })

describe("the recorded chain on a real ledger", () => {
  it("is committed with Go's codes and hashes, in one go", () =>
    inFolder((root) =>
      withLedger(
        root,
        (provider) => provider.create(readFileSync(join(home, "blocks", "000000.block"))),
        (ledger, bundles) =>
          Effect.gen(function* () {
            const line = yield* committer(ledger, bundles)
            for (const bytes of served.slice(1)) yield* line.submit(bytes)
            yield* line.reached(29n)
            yield* compare(ledger)
          }).pipe(Effect.provide(surroundings))
      )
    ))
  it("is carried on where a closed ledger stopped", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        for (const [from, to] of [
          [1, 10],
          [10, 29]
        ] as const)
          yield* withLedger(
            root,
            (provider) =>
              from === 1
                ? provider.create(readFileSync(join(home, "blocks", "000000.block")))
                : provider.open("mychannel"),
            (ledger, bundles) =>
              Effect.gen(function* () {
                const line = yield* committer(ledger, bundles)
                for (const bytes of served.slice(from, to)) yield* line.submit(bytes)
                yield* line.reached(BigInt(to))
                if (to === 29) yield* compare(ledger)
              }).pipe(Effect.provide(surroundings))
          )
      })
    ))
  it("refuses a block with any bit flipped in header, data or signature, and goes on", () =>
    inFolder((root) =>
      withLedger(
        root,
        (provider) => provider.create(readFileSync(join(home, "blocks", "000000.block"))),
        (ledger, bundles) =>
          Effect.gen(function* () {
            const line = yield* committer(ledger, bundles)
            const good = served[1] ?? EMPTY
            const slots = metadataSlot(common.Block.decode(good), common.BlockMetadataIndex.SIGNATURES)
            const end = Buffer.from(good).indexOf(Buffer.from(slots)) + slots.length
            for (let at = 3; at < end; at += 97) {
              const bad = Uint8Array.from(good)
              bad[at] = (bad[at] ?? 0) ^ 0x10
              const refused = yield* Effect.either(line.submit(bad))
              assert.isTrue(Either.isLeft(refused), `byte ${at}`)
            }
            yield* line.submit(good)
            yield* line.reached(2n)
          }).pipe(Effect.provide(surroundings))
      )
    ))
})

/** What becomes of each status of a chaincode (3.4 rules 13 to 17), what filters do, and what is told of refusals. */
import * as Effect from "effect/Effect"
import { beforeAll, describe, expect, test } from "vitest"
import type { LocalMspService, Signer } from "../../src/msp/index.js"
import { AclChecker } from "../../src/peer/acl/AclChecker.js"
import { PolicyChecker } from "../../src/peer/acl/PolicyChecker.js"
import { makeEndorser } from "../../src/peer/endorser/Endorser.js"
import { declareEndorserMetrics } from "../../src/peer/endorser/metrics.js"
import { defaultEndorsement, PluginEndorser } from "../../src/peer/endorser/plugins.js"
import type { EndorserSupport } from "../../src/peer/endorser/support.js"
import { ProposalRejected } from "../../src/peer/errors.js"
import * as Metrics from "../../src/runtime/Metrics.js"
import type { Refusal } from "../../src/validation/index.js"
import { protos } from "../../src/wire/index.js"
import { toText, utf8 } from "../../src/wire/protoutil.js"
import { firstBundle, mspOf, nodeFolder, person, proposal } from "./support.js"

let peer: LocalMspService
let user: Signer
beforeAll(async () => {
  peer = await mspOf("Org1MSP", `${nodeFolder("Org1MSP", "peer0")}/msp`)
  user = await person("Org1MSP", "User1")
})

const unused = () => Effect.dieMessage("not asked for")
const bundle = firstBundle()
const nothing = () => {}
const silent = { enabled: () => false, debug: nothing, info: nothing, warning: nothing, error: nothing }

/** An endorser whose chaincode answers with a status; `qscc` needs no simulator. */
const endorser = (response: Partial<protos.Response>, changes: Partial<EndorserSupport> = {}) => {
  const refusals: Array<Refusal> = []
  const bundleOf = (id: string) => (id === "mychannel" ? bundle : undefined)
  const made = makeEndorser({
    localMsp: peer.msp,
    channel: (id) =>
      id === "mychannel"
        ? {
            bundle: () => bundle,
            height: () => 1n,
            hasTransaction: () => false,
            newTxSimulator: unused,
            newHistoryQueryExecutor: unused()
          }
        : undefined,
    acl: new AclChecker(bundleOf, new PolicyChecker(bundleOf, peer.msp)),
    chaincode: {
      execute: () => Effect.succeed({ response: protos.Response.create(response), event: undefined }),
      executeLegacyInit: unused
    },
    definitions: { definition: unused },
    packages: { get: unused, checkInstantiationPolicy: unused },
    systemVersion: "1.4.12",
    filters: [],
    decorators: [],
    plugins: new PluginEndorser(new Map([["escc", defaultEndorsement(peer.signer)]])),
    distributePrivateData: unused,
    metrics: declareEndorserMetrics(Metrics.disabled),
    log: silent,
    refused: (refusal) => void refusals.push(refusal),
    ...changes
  })
  const ask = (channelId: string) => {
    const { signed } = proposal({ channelId, chaincode: "qscc", args: ["x"], signer: user })
    return Effect.either(made.processProposal(protos.SignedProposal.decode(signed)))
  }
  return { ask, refusals }
}

interface Row {
  readonly status: number
  readonly channel: string
  readonly version: number
  readonly payload: boolean
  readonly endorsed: boolean
}
const row = (channel: string, status: number, version: number, payload: boolean, endorsed: boolean): Row => ({
  channel,
  status,
  version,
  payload,
  endorsed
})

describe("a chaincode's status", () => {
  test.each([
    // rule 17: endorsed
    row("mychannel", 0, 1, true, true),
    row("mychannel", 200, 1, true, true),
    row("mychannel", 399, 1, true, true),
    // rule 16: the response alone
    row("mychannel", 400, 0, false, false),
    row("mychannel", 499, 0, false, false),
    // rule 14: with what it would have done
    row("mychannel", 500, 0, true, false),
    row("mychannel", 999, 0, true, false),
    // rule 15: without a channel nothing is endorsed
    row("", 200, 0, false, false),
    row("", 400, 0, false, false),
    row("", 499, 0, false, false),
    row("", 500, 0, true, false)
  ])("$status on '$channel'", async ({ channel, endorsed, payload, status, version }) => {
    const { ask, refusals } = endorser({ status, message: "why", payload: utf8("result") })
    const answered = await Effect.runPromise(ask(channel))
    if (answered._tag === "Left") return expect.fail(answered.left.message)
    const answer = protos.ProposalResponse.decode(answered.right)
    expect(answer.response).toMatchObject({ status, message: "why" })
    expect(toText(answer.response?.payload ?? new Uint8Array())).toBe("result")
    expect(answer.version).toBe(version)
    expect(answer.payload.length > 0).toBe(payload)
    expect(answer.endorsement !== undefined).toBe(endorsed)
    expect(answer.timestamp).toBeUndefined()
    const told = (channel !== "" && status >= 400) || status >= 500
    expect(refusals.map(({ check, reason }) => [check, reason])).toEqual(
      told ? [["simulation", `chaincode answered with status ${status}: why`]] : []
    )
  })

  test("an endorsement that fails is an answer of status 500 and nothing else (rule 13)", async () => {
    const { ask, refusals } = endorser({}, { plugins: new PluginEndorser(new Map()) })
    const unknown = await Effect.runPromise(ask("mychannel"))
    if (unknown._tag === "Left") return expect.fail(unknown.left.message)
    const answer = protos.ProposalResponse.decode(unknown.right)
    expect(answer.response?.status).toBe(500)
    expect(answer.response?.message).toBe("plugin with name escc could not be used: plugin with name escc wasn't found")
    expect([answer.payload.length, answer.endorsement, answer.version]).toEqual([0, undefined, 0])
    expect(refusals.length).toBe(1)
  })
})

test("filters are asked first and in order; the first refusal is the call's error and is told", async () => {
  const asked: Array<string> = []
  const filter = (name: string, reason?: string) => ({
    check: () =>
      Effect.suspend(() => {
        asked.push(name)
        return reason === undefined ? Effect.void : new ProposalRejected({ reason })
      })
  })
  const { ask, refusals } = endorser(
    { status: 200 },
    { filters: [filter("one"), filter("two", "not today"), filter("three")] }
  )
  const answered = await Effect.runPromise(ask("mychannel"))
  expect(answered).toMatchObject({ _tag: "Left", left: { message: "not today" } })
  expect(asked).toEqual(["one", "two"])
  expect(refusals).toMatchObject([{ check: "filter", reason: "not today", channel: "mychannel" }])
  expect(refusals[0]?.creator).toMatchObject({ mspId: "Org1MSP" })
})

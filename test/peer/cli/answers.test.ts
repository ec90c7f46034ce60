/**
 * What `query` and `invoke` say to answers that no good node gives: whatever comes back, a command that fails says why.
 * The texts are those of Go's program on the same answers, but for the ones at which it panics.
 */
import { fileURLToPath } from "node:url"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { GrpcFailure } from "../../../src/transport/index.js"
import { common, orderer, protos } from "../../../src/wire/index.js"
import { AtomicBroadcast, Endorser } from "../../../src/wire/services.js"
import { node } from "../../transport/support.js"
import { userFolder } from "../support.js"
import { run } from "./support.js"

const core = fileURLToPath(new URL("../../../config", import.meta.url))
const utf8 = (text: string): Uint8Array => Buffer.from(text)
const broken = Uint8Array.of(0x0a, 0xff)
const endorsement = { endorser: utf8("who"), signature: utf8("so signed") }
const response = (status: number, message = "", payload = "") => ({ status, message, payload: utf8(payload) })
const action = protos.ProposalResponsePayload.encode({
  extension: protos.ChaincodeAction.encode({ response: response(200, "", "done") })
})
const answer = (parts: Parameters<typeof protos.ProposalResponse.encode>[0]): Uint8Array =>
  protos.ProposalResponse.encode(parts)
const status = (code: number, details = "") => new GrpcFailure({ code, details })

/** A peer that answers proposals so, and an orderer that answers envelopes so (undefined ends the stream). */
interface Nodes {
  readonly peer: Uint8Array | GrpcFailure
  readonly orderer?: Uint8Array | GrpcFailure | undefined
}

const ask = (command: "query" | "invoke", nodes: Nodes, ...more: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const target = yield* node()
    const { server } = target
    yield* server.addService(Endorser, {
      ProcessProposal: () => (nodes.peer instanceof GrpcFailure ? Effect.fail(nodes.peer) : Effect.succeed(nodes.peer))
    })
    yield* server.addService(AtomicBroadcast, {
      Broadcast: (_incoming, out) => {
        const { orderer: told } = nodes
        if (told instanceof GrpcFailure) return Effect.fail(told)
        return told === undefined ? Effect.void : out.send(told)
      },
      Deliver: () => Effect.void
    })
    yield* server.serve
    const environment = {
      FABRIC_CFG_PATH: core,
      FABRIC_LOGGING_FORMAT: "%{level} [%{module}] %{message}",
      CORE_PEER_ADDRESS: server.address,
      CORE_PEER_LOCALMSPID: "Org1MSP",
      CORE_PEER_MSPCONFIGPATH: userFolder("Org1MSP", "User1")
    }
    const call = ["-C", "mychannel", "-n", "cc", "-c", '{"Args":["f"]}', ...more]
    const orders = command === "invoke" ? ["-o", server.address] : []
    return yield* run(["chaincode", command, ...call, ...orders], environment)
  })

const taken = orderer.BroadcastResponse.encode({ status: common.Status.SUCCESS })
const endorsed = answer({ response: response(200, "", "done"), payload: action, endorsement })

describe("query", () => {
  it.scopedLive.each([
    ["no response", answer({}), "endorsement failure during query. response: <nil>"],
    ["an endorsement of nothing", answer({ endorsement }), "endorsement failure during query. response: <nil>"],
    [
      "a failure without message",
      answer({ response: response(500) }),
      "endorsement failure during query. response: status:500 "
    ],
    [
      "a status of the chaincode's own",
      answer({ response: response(404, "", "x") }),
      'endorsement failure during query. response: status:404 payload:"x" '
    ],
    ["no endorsement", answer({ response: response(200) }), "endorsement failure during query. response: status:200 "],
    ["an empty response", answer({ response: response(0) }), "endorsement failure during query. response: "],
    [
      "no status text",
      status(2),
      "error endorsing query: rpc error: code = Unknown desc =  - proposal response: <nil>"
    ],
    [
      "a code that there is not",
      status(77),
      "error endorsing query: rpc error: code = Code(77) desc =  - proposal response: <nil>"
    ]
  ] as const)("%s", ([, peer, text]) =>
    Effect.map(ask("query", { peer }), (outcome) =>
      expect(outcome).toEqual({ status: 1, stdout: "", stderr: `Error: ${text}\n` })
    )
  )

  it.scopedLive("bytes that are no message", () =>
    Effect.map(ask("query", { peer: broken }), ({ status, stderr, stdout }) => {
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" })
      expect(stderr).toBe(
        "Error: error endorsing query: rpc error: code = Internal desc = grpc: failed to unmarshal the received message unexpected EOF - proposal response: <nil>\n"
      )
    })
  )

  it.scopedLive("nobody there", () =>
    Effect.map(ask("query", { peer: endorsed }, "--peerAddresses", "localhost:1"), ({ status, stderr }) => {
      expect(status).toBe(1)
      expect(stderr).toMatch(/^Error: .*failed to connect to localhost:1: .*dial tcp localhost:1: .{5,}/)
    })
  )
})

describe("invoke", () => {
  it.scopedLive.each([
    [
      "a failure without message",
      answer({ response: response(500) }),
      "endorsement failure during invoke. response: status:500 "
    ],
    [
      "a status below 200",
      answer({ response: response(100), endorsement }),
      /^could not assemble transaction: proposal response was not successful, error code 100, msg {2}- proposal response: response:<status:100 > endorsement:<.*> $/
    ],
    ["no response", answer({}), /^could not assemble transaction: .{10,} - proposal response: $/],
    [
      "no endorsement",
      answer({ response: response(200), payload: action }),
      /^could not assemble transaction: .{10,} - proposal response: response/
    ]
  ] as const)("%s", ([, peer, text]) =>
    Effect.map(ask("invoke", { peer, orderer: taken }), ({ status, stderr }) => {
      expect(status).toBe(1)
      expect(stderr.replace(/^Error: |\n$/g, "")).toEqual(typeof text === "string" ? text : expect.stringMatching(text))
    })
  )

  it.scopedLive.each([
    ["no status", undefined, "error sending transaction for invoke: EOF - proposal response: "],
    [
      "a status without a word",
      orderer.BroadcastResponse.encode({ status: common.Status.FORBIDDEN }),
      "error sending transaction for invoke: got unexpected status: FORBIDDEN --  - proposal response: "
    ],
    [
      "no status at all",
      orderer.BroadcastResponse.encode({}),
      "error sending transaction for invoke: got unexpected status: UNKNOWN --  - proposal response: "
    ],
    [
      "a failure without text",
      status(14),
      "error sending transaction for invoke: rpc error: code = Unavailable desc =  - proposal response: "
    ]
  ] as const)("an orderer that answers with %s", ([, told, text]) =>
    Effect.map(ask("invoke", { peer: endorsed, orderer: told }), ({ status, stderr }) => {
      expect(status).toBe(1)
      expect(stderr.slice(0, text.length + 7)).toBe(`Error: ${text}`)
    })
  )

  it.scopedLive("an action that cannot be read, ordered all the same", () =>
    Effect.map(
      ask("invoke", { peer: answer({ response: response(200), payload: broken, endorsement }), orderer: taken }),
      ({ status, stderr }) => {
        expect(status).toBe(1)
        expect(stderr).toMatch(/^Error: error while unmarshaling proposal response payload: unexpected EOF\n$/)
      }
    )
  )
})

describe("without a log", () => {
  it.live("a program that cannot start still says why", () =>
    Effect.gen(function* () {
      const silent = { FABRIC_LOGGING_SPEC: "fatal" }
      const line = ["chaincode", "query", "-C", "c", "-n", "n", "-c", '{"Args":[]}']
      expect(yield* run(line, { ...silent, FABRIC_CFG_PATH: "/nowhere/at/all" })).toEqual({
        status: 1,
        stdout: "",
        stderr: "Fatal error when initializing core config : FABRIC_CFG_PATH /nowhere/at/all does not exist\n"
      })
      const noMsp = yield* run(line, { ...silent, FABRIC_CFG_PATH: core, CORE_PEER_MSPCONFIGPATH: "/nowhere" })
      expect(noMsp).toMatchObject({ status: 1, stdout: "" })
      expect(noMsp.stderr).toMatch(/^Cannot run peer because .{10,}\n$/)
    })
  )
})

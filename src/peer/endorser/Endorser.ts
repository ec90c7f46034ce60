/**
 * ProcessProposal: checks, simulates, endorses. One decoding, one verification, one simulation, one signature.
 * Source: peer-endorse-validate.md 3.4; ProcessProposal in core/endorser/endorser.go.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Log from "../../runtime/Log.js"
import { annotate, span } from "../../runtime/span.js"
import { type CheckedProposal, openProposal } from "../../validation/index.js"
import { protos } from "../../wire/index.js"
import { EMPTY } from "../../wire/protoutil.js"
import { EndorsementFailed, type ProposalRejected } from "../errors.js"
import { proposalRefusal } from "../refusals/index.js"
import { responsePayload } from "./payload.js"
import { type AdmittedProposal, preprocess } from "./preprocess.js"
import { ERROR_THRESHOLD, type SimulatedProposal, simulate } from "./simulate.js"
import type { EndorserSupport } from "./support.js"

export interface EndorserShape {
  /**
   * In: `protos.SignedProposal` in its bytes and decoded. Out: `protos.ProposalResponse` bytes of any status. Fails only
   * with what the client sees as a gRPC error.
   */
  readonly processProposal: (
    bytes: Uint8Array,
    signed: protos.SignedProposal
  ) => Effect.Effect<Uint8Array, ProposalRejected>
}

export class Endorser extends Context.Tag("peer/endorser/Endorser")<Endorser, EndorserShape>() {}

const log = Log.module("endorser", "ProcessProposal")

/** From here on a failure of chaincode is returned with its payload, for diagnosis. */
const ERROR = 500

const ofStatus500 = (message: string): Uint8Array =>
  protos.ProposalResponse.encode({ response: { status: ERROR, message } })

/** How an admitted proposal ended, with what the metrics want to know. */
interface Outcome {
  readonly answer: Uint8Array
  readonly success: boolean
  /** The chaincode's version, once it was looked up. */
  readonly version: string
}

export const makeEndorser = (support: EndorserSupport): EndorserShape => {
  const { metrics } = support

  /** Notes what a filter said. */
  const filtered = (bytes: Uint8Array, reason: string): void => {
    const opened = openProposal(bytes)
    if (Either.isLeft(opened)) return
    const { channelId } = opened.right.channelHeader
    const msps = channelId === "" ? support.localMsp : support.channel(channelId)?.bundle().mspManager
    support.refused(proposalRefusal(opened.right, msps, "filter", reason))
  }

  /** Notes why an admitted proposal is not endorsed. */
  const refused = (checked: CheckedProposal, reason: string): void => {
    const { channelId } = checked.channelHeader
    const msps = channelId === "" ? support.localMsp : support.channel(channelId)?.bundle().mspManager
    const creator = { creator: checked.signatureHeader.creator, data: EMPTY, signature: EMPTY }
    support.refused(proposalRefusal({ channelHeader: checked.channelHeader, creator }, msps, "simulation", reason))
  }

  const payloadOf = (
    checked: CheckedProposal,
    simulated: SimulatedProposal,
    chaincodeId: protos.ChaincodeID
  ): Effect.Effect<Uint8Array, EndorsementFailed> =>
    Effect.try({
      try: () =>
        responsePayload({
          header: checked.header,
          payload: checked.proposal.payload,
          response: simulated.response,
          results: simulated.results,
          event: simulated.event,
          chaincodeId
        }),
      catch: (cause) =>
        new EndorsementFailed({
          reason: `failed assembling proposal response payload: ${cause instanceof Error ? cause.message : String(cause)}`,
          cause
        })
    })

  /** Rules 16 and 17. */
  const endorse = (checked: CheckedProposal, simulated: SimulatedProposal, version: string): Effect.Effect<Outcome> => {
    const { channelId } = checked.channelHeader
    const { response } = simulated
    const failedAs = (chaincodeerror: boolean) =>
      metrics.endorsementFailed
        .with({
          channel: channelId,
          chaincode: `${checked.chaincodeId.name}:${version}`,
          chaincodeerror: String(chaincodeerror)
        })
        .add(1)
    if (response.status >= ERROR_THRESHOLD) {
      failedAs(true)
      refused(checked, `chaincode answered with status ${response.status}: ${response.message}`)
      return Effect.succeed({ answer: protos.ProposalResponse.encode({ response }), success: false, version })
    }
    const plugin = simulated.definition === undefined ? "escc" : simulated.definition.escc
    return payloadOf(checked, simulated, { ...checked.chaincodeId, version }).pipe(
      Effect.flatMap((payload) => support.plugins.endorse(plugin, channelId, payload, checked.signed)),
      Effect.map(({ endorsement, payload }) => {
        metrics.successful()
        const answer = protos.ProposalResponse.encode({ version: 1, response, payload, endorsement })
        return { answer, success: true, version }
      }),
      Effect.catchAll((error) => {
        failedAs(false)
        refused(checked, error.message)
        return Effect.as(log.warning(`Endorsement with plugin ${plugin} failed: ${error.message}`), {
          answer: ofStatus500(error.message),
          success: false,
          version
        })
      })
    )
  }

  const answer = ({ channel, checked }: AdmittedProposal): Effect.Effect<Outcome> => {
    const { name, version } = checked.chaincodeId
    return simulate(support, checked, channel).pipe(
      Effect.flatMap((simulated): Effect.Effect<Outcome, EndorsementFailed> => {
        const { response } = simulated
        if (response.status >= ERROR) {
          refused(checked, `chaincode answered with status ${response.status}: ${response.message}`)
          // the chaincode's id as the client sent it: it gets its version only when it is endorsed
          return payloadOf(checked, simulated, checked.chaincodeId).pipe(
            Effect.tap(() =>
              log.error(
                `[${checked.channelHeader.channelId}][${checked.channelHeader.txId.slice(0, 8)}] simulateProposal() resulted in chaincode name:"${name}"  response status ${response.status} for txid: ${checked.channelHeader.txId}`
              )
            ),
            Effect.map((payload) => ({
              answer: protos.ProposalResponse.encode({ response, payload }),
              success: false,
              version
            }))
          )
        }
        if (channel === undefined) {
          metrics.successful()
          return Effect.succeed({ answer: protos.ProposalResponse.encode({ response }), success: true, version })
        }
        return endorse(checked, simulated, simulated.definition?.version ?? support.systemVersion)
      }),
      Effect.catchAll((error) => {
        refused(checked, error.message)
        return Effect.succeed({ answer: ofStatus500(error.message), success: false, version })
      })
    )
  }

  return {
    processProposal: (bytes, signed) =>
      Effect.gen(function* () {
        for (const filter of support.filters)
          yield* Effect.tapError(filter.check(signed), ({ message }) => Effect.sync(() => filtered(bytes, message)))
        metrics.received()
        const started = performance.now()
        const admitted = yield* preprocess(support, bytes)
        const { channelHeader: header } = admitted.checked
        yield* annotate(() => ({ channel: header.channelId, transaction: header.txId }))
        const { answer: bytesOut, success, version } = yield* answer(admitted)
        const { chaincodeId } = admitted.checked
        metrics.duration
          .with({
            channel: header.channelId,
            chaincode: `${chaincodeId.name}:${version}`,
            success: String(success)
          })
          .observe((performance.now() - started) / 1000)
        return bytesOut
      }).pipe(span("Endorser.ProcessProposal"))
  }
}

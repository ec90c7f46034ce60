/**
 * ProcessProposal: checks, simulates, endorses. One decoding, one verification, one simulation, one signature.
 * Source: peer-endorse-validate.md 3.4; ProcessProposal in core/endorser/endorser.go.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { andThen, isSuccess } from "../../runtime/eager.js"
import * as Log from "../../runtime/Log.js"
import { textOf } from "../../runtime/Stage.js"
import { annotated, span } from "../../runtime/span.js"
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
  /** Out: `protos.ProposalResponse` bytes of any status. Fails only with what the client sees as a gRPC error. */
  readonly processProposal: (signed: protos.SignedProposal) => Effect.Effect<Uint8Array, ProposalRejected>
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
  const filtered = (signed: protos.SignedProposal, reason: string): void => {
    const opened = openProposal(signed)
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
  ): Effect.Effect<Uint8Array, EndorsementFailed> => {
    const { header, proposal } = checked
    const { event, response, results } = simulated
    try {
      return Effect.succeed(
        responsePayload({ header, payload: proposal.payload, response, results, event, chaincodeId })
      )
    } catch (cause) {
      const reason = textOf(cause)
      return new EndorsementFailed({ reason: `failed assembling proposal response payload: ${reason}`, cause })
    }
  }

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
    const endorsed = andThen(payloadOf(checked, simulated, { ...checked.chaincodeId, version }), (payload) =>
      support.plugins.endorse(plugin, channelId, payload, checked.signed)
    )
    const signed = andThen(endorsed, ({ endorsement, payload }): Effect.Effect<Outcome, EndorsementFailed> => {
      metrics.successful()
      const answer = protos.ProposalResponse.encode({ version: 1, response, payload, endorsement })
      return Effect.succeed({ answer, success: true, version })
    })
    if (isSuccess(signed)) return signed
    return Effect.catchAll(signed, (error) => {
      failedAs(false)
      refused(checked, error.message)
      return Effect.as(log.warning(`Endorsement with plugin ${plugin} failed: ${error.message}`), {
        answer: ofStatus500(error.message),
        success: false,
        version
      })
    })
  }

  const answer = ({ channel, checked }: AdmittedProposal): Effect.Effect<Outcome> => {
    const { name, version } = checked.chaincodeId
    const done = (simulated: SimulatedProposal): Effect.Effect<Outcome, EndorsementFailed> => {
      const { response } = simulated
      if (response.status >= ERROR) {
        refused(checked, `chaincode answered with status ${response.status}: ${response.message}`)
        // the chaincode's id as the client sent it: it gets its version only when it is endorsed
        return andThen(payloadOf(checked, simulated, checked.chaincodeId), (payload) =>
          Effect.as(
            log.error(
              `[${checked.channelHeader.channelId}][${checked.channelHeader.txId.slice(0, 8)}] simulateProposal() resulted in chaincode name:"${name}"  response status ${response.status} for txid: ${checked.channelHeader.txId}`
            ),
            { answer: protos.ProposalResponse.encode({ response, payload }), success: false, version }
          )
        )
      }
      if (channel === undefined) {
        metrics.successful()
        return Effect.succeed({ answer: protos.ProposalResponse.encode({ response }), success: true, version })
      }
      return endorse(checked, simulated, simulated.definition?.version ?? support.systemVersion)
    }
    const broken = (error: EndorsementFailed): Effect.Effect<Outcome> => {
      refused(checked, error.message)
      return Effect.succeed({ answer: ofStatus500(error.message), success: false, version })
    }
    return Effect.matchEffect(simulate(support, checked, channel), {
      onFailure: broken,
      onSuccess: (simulated) => {
        const outcome = done(simulated)
        return isSuccess(outcome) ? outcome : Effect.catchAll(outcome, broken)
      }
    })
  }

  /** Rules 1 and 2: every filter from that one on. */
  const admit = (signed: protos.SignedProposal, from = 0): Effect.Effect<void, ProposalRejected> => {
    for (const [index, filter] of support.filters.entries()) {
      if (index < from) continue
      const passed = filter.check(signed)
      if (isSuccess(passed)) continue
      return Effect.matchEffect(passed, {
        onFailure: (rejected) => {
          filtered(signed, rejected.message)
          return rejected
        },
        onSuccess: () => admit(signed, index + 1)
      })
    }
    return Effect.void
  }

  const process = (signed: protos.SignedProposal): Effect.Effect<Uint8Array, ProposalRejected> => {
    metrics.received()
    const started = performance.now()
    return andThen(preprocess(support, signed), (admitted) => {
      const { chaincodeId, channelHeader: header } = admitted.checked
      const outcome = Effect.flatMap(answer(admitted), ({ answer: bytes, success, version }) => {
        const seconds = (performance.now() - started) / 1000
        metrics.duration(header.channelId, `${chaincodeId.name}:${version}`, success, seconds)
        return Effect.succeed(bytes)
      })
      return annotated(() => ({ channel: header.channelId, transaction: header.txId }), outcome)
    })
  }

  return {
    processProposal: (signed) =>
      Effect.suspend(() => andThen(admit(signed), () => process(signed))).pipe(span("Endorser.ProcessProposal"))
  }
}

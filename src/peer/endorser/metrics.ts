/** The endorser's metrics under Fabric's names. Source: peer-endorse-validate.md 2.9; core/endorser/metrics.go. */
import type { MetricsShape } from "../../runtime/Metrics.js"

const endorser = { namespace: "endorser" } as const
const target = ["channel", "chaincode"] as const

/** Declares them in a node's registry; once per node. Times are seconds; `chaincode` is `name:version`. */
export const declareEndorserMetrics = (metrics: MetricsShape) => {
  const received = metrics.counter({ ...endorser, name: "proposals_received", help: "Proposals received." })
  const successful = metrics.counter({
    ...endorser,
    name: "successful_proposals",
    help: "Proposals that were answered without a failure."
  })
  const validationFailed = metrics.counter({
    ...endorser,
    name: "proposal_validation_failures",
    help: "Proposals that failed the first checks."
  })
  const duration = metrics.histogram({
    ...endorser,
    name: "proposal_duration",
    help: "Time to answer a proposal.",
    labelNames: [...target, "success"] as const
  })
  // a series is shown from its first use on, so that these show nothing yet
  const series = { received: received.with({}), successful: successful.with({}), invalid: validationFailed.with({}) }
  // the last one used: one chaincode is often called many times
  let latest = { channel: "", chaincode: "", success: false, observe: (_: number): void => {} }
  return {
    received: () => series.received.add(1),
    successful: () => series.successful.add(1),
    validationFailed: () => series.invalid.add(1),
    duration: (channel: string, chaincode: string, success: boolean, seconds: number): void => {
      if (latest.channel !== channel || latest.chaincode !== chaincode || latest.success !== success) {
        const { observe } = duration.with({ channel, chaincode, success: String(success) })
        latest = { channel, chaincode, success, observe }
      }
      latest.observe(seconds)
    },
    aclFailed: metrics.counter({
      ...endorser,
      name: "proposal_acl_failures",
      help: "Proposals whose creator may not propose on the channel.",
      labelNames: target
    }),
    initFailed: metrics.counter({
      ...endorser,
      name: "chaincode_instantiation_failures",
      help: "Instantiations and upgrades whose Init failed.",
      labelNames: target
    }),
    endorsementFailed: metrics.counter({
      ...endorser,
      name: "endorsement_failures",
      help: "Proposals that were simulated and not endorsed.",
      labelNames: [...target, "chaincodeerror"] as const
    }),
    duplicate: metrics.counter({
      ...endorser,
      name: "duplicate_transaction_failures",
      help: "Proposals whose transaction id is on the ledger already.",
      labelNames: target
    })
  }
}

export type EndorserMetrics = ReturnType<typeof declareEndorserMetrics>

/** A peer's metrics as the reference has them. Source: operations-cli.md 3.2 and 3.4. Not a test. */

export interface Expected {
  readonly kind: "counter" | "gauge" | "histogram"
  readonly labels: ReadonlyArray<string>
  /** Where StatsD's name is not the Prometheus name with its first `_` as a dot. */
  readonly statsd: string
  /** The four ledger times with buckets of their own. */
  readonly ledgerBuckets?: true
}

const all = new Map<string, Expected>()
const declare =
  (kind: Expected["kind"]) =>
  (statsd: string, labels = "", more: Partial<Expected> = {}): void =>
    void all.set(statsd.replaceAll(".", "_"), {
      kind,
      labels: labels === "" ? [] : labels.split(" "),
      statsd,
      ...more
    })
const counter = declare("counter")
const gauge = declare("gauge")
const histogram = declare("histogram")

// ---- Both nodes ----------------------------------------------------------------------------------------------------

counter("deliver.streams_opened")
counter("deliver.streams_closed")
counter("deliver.requests_received", "channel filtered")
counter("deliver.requests_completed", "channel filtered success")
counter("deliver.blocks_sent", "channel filtered")
gauge("fabric_version", "version")
counter("grpc.comm.conn_opened")
counter("grpc.comm.conn_closed")
counter("grpc.server.unary_requests_received", "service method")
counter("grpc.server.unary_requests_completed", "service method code")
histogram("grpc.server.unary_request_duration", "service method code")
counter("grpc.server.stream_requests_received", "service method")
counter("grpc.server.stream_requests_completed", "service method code")
histogram("grpc.server.stream_request_duration", "service method code")
counter("grpc.server.stream_messages_received", "service method")
counter("grpc.server.stream_messages_sent", "service method")
gauge("ledger.blockchain_height", "channel")
histogram("ledger.blockstorage_commit_time", "channel", { ledgerBuckets: true })
counter("logging.entries_checked", "level")
counter("logging.entries_written", "level")

// ---- The peer alone ------------------------------------------------------------------------------------------------

histogram("chaincode.launch_duration", "chaincode success")
counter("chaincode.launch_failures", "chaincode")
counter("chaincode.launch_timeouts", "chaincode")
counter("chaincode.execute_timeouts", "chaincode")
counter("chaincode.shim_requests_received", "type channel chaincode")
counter("chaincode.shim_requests_completed", "type channel chaincode success")
histogram("chaincode.shim_request_duration", "type channel chaincode success")
histogram("couchdb.processing_time", "database function_name result")
histogram("dockercontroller.chaincode_container_build_duration", "chaincode success")
counter("endorser.proposals_received")
counter("endorser.successful_proposals")
histogram("endorser.proposal_duration", "channel chaincode success")
counter("endorser.proposal_validation_failures")
counter("endorser.proposal_acl_failures", "channel chaincode")
counter("endorser.duplicate_transaction_failures", "channel chaincode")
counter("endorser.endorsement_failures", "channel chaincode chaincodeerror")
counter("endorser.chaincode_instantiation_failures", "channel chaincode")
counter("gossip.comm.messages_sent")
counter("gossip.comm.messages_received")
counter("gossip.comm.overflow_count")
gauge("gossip.leader_election.leader", "channel")
gauge("gossip.membership.total_peers_known", "channel")
gauge("gossip.payload_buffer.size", "channel")
gauge("gossip.state.height", "channel")
histogram("gossip.state.commit_duration", "channel")
for (const what of [
  "validation",
  "commit_block",
  "purge",
  "list_missing",
  "fetch",
  "retrieve",
  "pull",
  "send",
  "reconciliation"
])
  histogram(`gossip.privdata.${what}_duration`, "channel")
histogram("ledger.block_processing_time", "channel", { ledgerBuckets: true })
histogram("ledger.blockstorage_and_pvtdata_commit_time", "channel", { ledgerBuckets: true })
histogram("ledger.statedb_commit_time", "channel", { ledgerBuckets: true })
counter("ledger.transaction_count", "channel transaction_type chaincode validation_code")

/** By Prometheus name. */
export const peerMetrics: ReadonlyMap<string, Expected> = all

/** Made only where CouchDB or Docker is in use. */
export const elsewhere: ReadonlyArray<string> = [
  "couchdb_processing_time",
  "dockercontroller_chaincode_container_build_duration"
]

/** What any process shows beside Fabric's own. */
export const processMetrics: ReadonlyArray<string> = [
  "process_cpu_seconds_total",
  "process_resident_memory_bytes",
  "process_start_time_seconds"
]

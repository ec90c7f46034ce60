// Every panic and fatal that the fact sheets know of the reference, and what stands in its place here. Read by
// generate-errors-doc.mjs, which checks each row against the sources: the tag must be that of an error in src, the stage
// one of the node's, and a row of scope "process" at a stage has that stage's exit code.
//
// [node, what the reference does, where the sheets say so, our tagged error, scope, stage or exit code, remedy]
const peer = (...row) => ["peer", ...row]
const orderer = (...row) => ["orderer", ...row]

export const rows = [
  // ---- Before the first stage ----
  peer(
    "fatal `Fatal error when initializing core config : <err>`, exit 1",
    "peer-endorse-validate 1.1",
    ["ConfigUnreadable", "ConfigInvalid"],
    "process",
    1,
    "The text names the key, its place in the file or its variable, and what is expected."
  ),
  peer(
    "panic: bad FABRIC_LOGGING_SPEC",
    "peer-endorse-validate 1.1",
    ["LogSpecInvalid", "LogFormatInvalid"],
    "process",
    2,
    "Correct FABRIC_LOGGING_SPEC or FABRIC_LOGGING_FORMAT."
  ),
  orderer(
    "`failed to parse config:  <err>`, exit 1",
    "orderer 1 #3",
    ["ConfigUnreadable", "ConfigInvalid"],
    "process",
    1,
    "The text names the key, its place in the file or its variable, and what is expected."
  ),
  orderer(
    "panic: Kafka TLS or SASL on without its parts",
    "orderer 2.4",
    ["ConfigInvalid"],
    "process",
    2,
    "Set the key of General.Kafka that the text names."
  ),
  orderer(
    "panic: bad FABRIC_LOGGING_SPEC, also for `version`",
    "orderer 1 #4",
    ["LogSpecInvalid", "LogFormatInvalid"],
    "process",
    2,
    "Correct FABRIC_LOGGING_SPEC or FABRIC_LOGGING_FORMAT."
  ),

  // ---- The peer's start ----
  peer(
    "fatal `Cannot run peer because <err>`, exit 1",
    "peer-endorse-validate 1.1 (4)",
    ["LocalMspFailed", "MspSetupFailed", "MspFolderMissing"],
    "process",
    "identity"
  ),
  peer(
    "panic `Unsupported msp type <t>`",
    "peer-endorse-validate 1.2 #1",
    ["MspTypeUnsupported"],
    "process",
    "identity"
  ),
  peer(
    "`failed to initialize operations subystems: <err>`, exit 1",
    "peer-endorse-validate 1.2 #7",
    ["OperationsFailed", "StatsdUnreachable"],
    "process",
    "operations"
  ),
  peer(
    "panic: no signing identity for the membership information",
    "peer-endorse-validate 1.2 #9, #22",
    ["MspSetupFailed"],
    "process",
    "identity"
  ),
  peer(
    "panic `Error in instantiating ledger provider: <err>`",
    "peer-endorse-validate 1.2 #10",
    ["FolderLocked", "FormatUnknown", "LmdbOpenFailed", "CouchFailed"],
    "process",
    "ledgers"
  ),
  peer(
    "fatal: a ledger under construction with more than its first block",
    "ledger-privatedata rule 68",
    ["LedgerFailed"],
    "process",
    "ledgers"
  ),
  peer(
    "`peer.address isn't in host:port format: <a>`, exit 1",
    "peer-endorse-validate 1.2 #12",
    ["StartRefused"],
    "process",
    "addresses"
  ),
  peer(
    "fatal `Error loading secure config for peer (<err>)`, exit 1",
    "peer-endorse-validate 1.2 #14",
    ["StartRefused"],
    "process",
    "server settings"
  ),
  peer(
    "fatal `Failed to create peer server (<err>)`, exit 1",
    "peer-endorse-validate 1.2 #16",
    ["BindFailed", "TlsMaterialInvalid"],
    "process",
    "peer server"
  ),
  peer(
    "fatal `Failed to set TLS server root CAs: <err>`, `Failed to set TLS client certificate: <err>`, exit 1",
    "peer-endorse-validate 1.2 #17",
    ["StartRefused"],
    "process",
    "credentials"
  ),
  peer(
    "panic `Failed to create chaincode server: <err>`",
    "peer-endorse-validate 1.2 #20; chaincode R2",
    ["EndpointInvalid", "BindFailed", "CredentialsUnwritable"],
    "process",
    "chaincode server"
  ),
  peer(
    "fatal: the folder of chaincode packages cannot be made",
    "chaincode R3",
    ["InstallFolderUnusable"],
    "process",
    "chaincode packages"
  ),
  peer(
    "panic: a system chaincode plugin cannot be loaded",
    "peer-endorse-validate 2.2",
    ["StartRefused"],
    "process",
    "system chaincodes"
  ),
  peer(
    "fatal `Failed to create admin server (<err>)`, exit 1",
    "peer-endorse-validate 1.2 #21",
    ["BindFailed"],
    "process",
    "admin service"
  ),
  peer(
    "panic: `Method <m> isn't a method of HandlerLibrary`, plugins that cannot be opened or have no constructor",
    "peer-endorse-validate 2.6; chaincode R96",
    ["HandlerUnusable"],
    "process",
    "handlers"
  ),
  peer(
    "panic `Setting both orgLeader and useLeaderElection to true isn't supported, aborting execution`",
    "peer-endorse-validate 3.7 rule 1",
    ["LeadershipConflict", "SettingInvalid"],
    "process",
    "channels"
  ),
  peer(
    "panic: a gossip endpoint that is no host:port",
    "gossip-discovery 2",
    ["GossipMisconfigured"],
    "process",
    "gossip"
  ),
  peer(
    "`grpc server exited with error: <err>`, exit 1",
    "peer-endorse-validate 1.2 #34",
    ["ListenerDied", "TaskFailed"],
    "process",
    1,
    "The listening socket was closed by something outside: see the log lines before, start again."
  ),
  peer(
    "`Error starting profiler: <err>`, logged",
    "peer-endorse-validate 1.2 #32",
    ["ProfilingFailed"],
    "none",
    "profiling",
    "Choose a free peer.profile.listenAddress; the peer serves without it."
  ),

  // ---- The peer's channels ----
  peer(
    "panic `[channel <c>] incompatible: <err>` at start and at join",
    "peer-endorse-validate 3.6 rule 2; identity-policy-config 65b",
    ["ChannelFailed", "CapabilityUnsupported"],
    "channel",
    undefined,
    "The channel needs a newer peer: it is left out (or the join is refused), the others serve."
  ),
  peer(
    "panic: a config update brings an unsupported capability, or no application section",
    "identity-policy-config 78",
    ["CommitStopped"],
    "channel",
    undefined,
    "The channel stops before that block; upgrade the peer and start it again."
  ),
  peer(
    "panic `Cannot commit block to the ledger due to <err>`",
    "peer-endorse-validate 3.9 rule 10; ledger-privatedata rule 62",
    ["CommitStopped"],
    "channel",
    undefined,
    "The text names the block and what to do (space, disk); health shows the channel; start again when the cause is gone."
  ),
  peer(
    "stops the channel silently: a VSCC that cannot be executed",
    "peer-endorse-validate 3.9 rule 10",
    ["ValidationHalted", "CommitStopped"],
    "channel",
    undefined,
    "Bring the validation plugin back that the text names, start again; health shows the channel."
  ),
  peer(
    "panic: metadata put on a key that the block deletes",
    "ledger-privatedata trap 9",
    [],
    "none",
    undefined,
    "Not an error here: nothing is put, as the reference's later versions do."
  ),
  peer(
    "panic: hashed writes to a collection that is not defined",
    "ledger-privatedata trap 35",
    [],
    "none",
    undefined,
    "Not an error here: the collection is passed over, its data never expires."
  ),
  peer(
    "panic: block numbers beyond 2^63-1 in a header",
    "identity-policy-config 7",
    ["BlockRefused"],
    "request",
    undefined,
    "The block is refused; ask the orderer's operators."
  ),

  // ---- Requests that end the reference's process ----
  peer(
    "panic: packages and messages without the parts that they must have",
    "chaincode trap T14",
    ["PackageRefused", "RequestRefused", "MessageRefused"],
    "request",
    undefined,
    "The caller hears what is missing."
  ),
  peer(
    "the Go shim ends on answers to unknown transactions",
    "chaincode trap T7",
    ["CallRefused"],
    "request",
    undefined,
    "Not sent: every request is answered once, under the ids that it came with."
  ),

  // ---- The orderer's start ----
  orderer(
    "fatal `Failed to initialize local MSP: <err>`, exit 1",
    "orderer 1 #5",
    ["LocalMspFailed", "MspSetupFailed"],
    "process",
    "local MSP"
  ),
  orderer(
    "panic `unable to bootstrap orderer. Error reading genesis block file: <err>`, `Unknown genesis method: <m>`, `Could not find profile: <p>`",
    "orderer 1 #7",
    ["StartFailed", "GenesisInvalid"],
    "process",
    "bootstrap block"
  ),
  orderer(
    "panic `Failed validating bootstrap block: <err>`",
    "orderer 1 #8",
    ["StartFailed"],
    "process",
    "bootstrap block"
  ),
  orderer(
    "panic `failed to initialize operations subsystem: <err>`",
    "orderer 1 #9; operations-cli 1.1",
    ["OperationsFailed", "StartFailed"],
    "process",
    "operations"
  ),
  orderer(
    "panic: the ledgers' folder cannot be used",
    "orderer 1 #10",
    ["FolderUnusable", "FolderLocked"],
    "process",
    "ledgers"
  ),
  orderer(
    "crash: a bootstrap block that is not the system channel's",
    "orderer 1 #11",
    ["StartFailed"],
    "process",
    "system channel"
  ),
  orderer(
    "fatal `Failed to load server Certificate file '<f>' (<err>)` and its like, exit 1",
    "orderer 1 #14",
    ["StartFailed"],
    "process",
    "TLS material"
  ),
  orderer(
    "fatal `Failed to listen: <err>`, `Failed to return new GRPC server: <err>`, exit 1",
    "orderer 1 #15",
    ["BindFailed", "TlsMaterialInvalid"],
    "process",
    "gRPC server"
  ),
  orderer(
    "fatal `Failed to create the system channel: <err>`, `Could not write genesis block to ledger: <err>`, exit 1",
    "orderer 1 #20",
    ["LedgerFailed", "StartFailed"],
    "process",
    "system channel"
  ),
  orderer(
    "panic: a channel whose config cannot be read, or needs unsupported capabilities",
    "orderer 3.1 rules 1 and 2",
    ["ChannelInvalid"],
    "process",
    "channels"
  ),
  orderer(
    "panic `There appear to be two system chains <a> and <b>`, `No system chain found. ...`",
    "orderer 3.1 rule 3",
    ["ChannelInvalid"],
    "process",
    "channels"
  ),
  orderer(
    "panic `Error retrieving consenter of type: <t>` (etcdraft among them)",
    "orderer 3.1 rule 4",
    ["ConsenterUnknown"],
    "process",
    "channels"
  ),
  orderer(
    "panic `Missing block <n> in the chain` (json ledger)",
    "orderer 3.9",
    ["BlockFilesDamaged", "LedgerFailed"],
    "process",
    "channels"
  ),
  orderer(
    "panic in the background: the profiler cannot listen",
    "orderer 1 #23",
    ["ProfilingFailed"],
    "none",
    "profiling",
    "Choose a free General.Profile.Address; the orderer serves without it."
  ),

  // ---- The orderer's channels ----
  orderer(
    "panic: a block cannot be appended",
    "orderer 3.7 (blockwriter)",
    ["TaskFailed", "LedgerFailed"],
    "process",
    1,
    "Make room or repair the disk, start again: what was acknowledged is in the journal or in Kafka."
  ),
  orderer(
    "panic: Kafka cannot be reached for the whole of its retries, or an offset is out of range",
    "orderer 3.8 rule 6",
    ["RetriesExhausted", "OffsetOutOfRange", "TaskFailed"],
    "process",
    1,
    "See the Kafka section of orderer.yaml and the brokers; the text names topic and offset."
  ),
  orderer(
    "a channel's loop ends on a time-to-cut that fits nothing",
    "orderer trap 10",
    ["ConsenterFailed", "TaskFailed"],
    "process",
    1,
    "The ordering nodes disagree: compare their versions and configuration."
  ),
  orderer(
    "a panic in a handler is logged and ends the stream with OK",
    "orderer 3.5 rule 5",
    ["GrpcFailure"],
    "request",
    undefined,
    "The stream ends with Internal; report it with the log line."
  )
]

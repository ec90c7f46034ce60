/**
 * The whole of orderer.yaml. Source: orderer.md 2.3 and 2.4; orderer/common/localconfig.
 */
import type * as Schema from "effect/Schema"
import {
  bool,
  count,
  duration,
  int,
  integer,
  kafkaVersion,
  list,
  opaque,
  port,
  text,
  textMap,
  word
} from "../fields.js"
import { section } from "../schema.js"
import { bccsp } from "../shared.js"

/** Zero and empty values give way to the default, as the reference fills them in after reading. */
const filled = { zeroIsUnset: true } as const

// ---- General -----------------------------------------------------------------------------------------------------

const tls = section("TLS", "TLS of the gRPC server.", {
  enabled: bool("Enabled", "Serve with TLS.", { fallback: "false", sample: "false" }),
  privateKey: text("PrivateKey", "The server's private key, a PEM file.", {
    path: true,
    sample: "tls/server.key"
  }),
  certificate: text("Certificate", "The server's certificate, a PEM file.", {
    path: true,
    sample: "tls/server.crt"
  }),
  rootCAs: list("RootCAs", "Authorities, PEM files; they must exist when TLS is on.", {
    path: true,
    sample: "\n- tls/ca.crt"
  }),
  clientAuthRequired: bool("ClientAuthRequired", "Demand and verify client certificates (mutual TLS).", {
    fallback: "false",
    sample: "false"
  }),
  clientRootCAs: list("ClientRootCAs", "Authorities of client certificates, beside those of the channels.", {
    path: true,
    sample: ""
  }),
  tlsHandshakeTimeShift: duration(
    "TLSHandshakeTimeShift",
    "Judge client certificates as of that long ago, to let expired ones pass.",
    { fallback: "0s" }
  ),
  maxVersion: word("1.2", "1.3")("MaxVersion", "Highest TLS version of the server. Fabric has 1.2 only.", {
    fallback: "1.2",
    ours: true
  }),
  reloadInterval: duration(
    "ReloadInterval",
    "How often the files of certificates and keys are looked at; new ones serve new connections without a restart. 0: never, as in Fabric.",
    { fallback: "0s", ours: true }
  )
})

const cluster = section("Cluster", "Talk between orderers of a Raft cluster; read, though Raft is not served.", {
  listenAddress: text("ListenAddress", "Address of a listener of its own; all four of these keys or none.", {
    sample: ""
  }),
  listenPort: port("ListenPort", "Its port.", { sample: "" }),
  serverCertificate: text("ServerCertificate", "Its certificate, a PEM file.", { sample: "" }),
  serverPrivateKey: text("ServerPrivateKey", "Its private key, a PEM file.", { sample: "" }),
  clientCertificate: text("ClientCertificate", "Certificate shown to other orderers, a PEM file.", {
    path: true,
    sample: ""
  }),
  clientPrivateKey: text("ClientPrivateKey", "Its private key, a PEM file.", { path: true, sample: "" }),
  rootCAs: list("RootCAs", "Authorities of other orderers, PEM files.", { path: true }),
  dialTimeout: duration("DialTimeout", "Limit for connecting.", { ...filled, fallback: "5s" }),
  rpcTimeout: duration("RPCTimeout", "Limit of a call.", { ...filled, fallback: "7s" }),
  replicationBufferSize: int("ReplicationBufferSize", "Bytes of blocks held while pulling.", {
    ...filled,
    fallback: "20971520"
  }),
  replicationPullTimeout: duration("ReplicationPullTimeout", "Limit of pulling a block.", {
    ...filled,
    fallback: "5s"
  }),
  replicationRetryTimeout: duration("ReplicationRetryTimeout", "Pause before pulling again.", {
    ...filled,
    fallback: "5s"
  }),
  replicationBackgroundRefreshInterval: duration(
    "ReplicationBackgroundRefreshInterval",
    "How often channels that are not served are looked at.",
    { ...filled, fallback: "5m" }
  ),
  replicationMaxRetries: int("ReplicationMaxRetries", "Tries of pulling a block.", { ...filled, fallback: "12" }),
  sendBufferSize: int("SendBufferSize", "Messages that may wait, per stream.", {
    ...filled,
    fallback: "10",
    sample: "10"
  }),
  certExpirationWarningThreshold: duration(
    "CertExpirationWarningThreshold",
    "When to warn before a certificate expires.",
    {
      ...filled,
      fallback: "168h"
    }
  ),
  tlsHandshakeTimeShift: duration(
    "TLSHandshakeTimeShift",
    "Judge certificates of other orderers as of that long ago.",
    {
      fallback: "0s"
    }
  )
})

const general = section("General", "What concerns every kind of orderer.", {
  ledgerType: text("LedgerType", "`file`, `json` or `ram`; any other word means `ram`.", {
    ...filled,
    fallback: "file",
    sample: "file"
  }),
  listenAddress: text("ListenAddress", "Address that the gRPC server listens on.", {
    ...filled,
    fallback: "127.0.0.1",
    sample: "127.0.0.1"
  }),
  listenPort: port("ListenPort", "Its port.", { ...filled, fallback: "7050", sample: "7050" }),
  tls,
  cluster,
  keepalive: section("Keepalive", "Pings on gRPC connections.", {
    serverMinInterval: duration(
      "ServerMinInterval",
      "Shortest pause between pings of a client; taken and not enforced, the gRPC library cannot.",
      { ...filled, fallback: "60s", sample: "60s" }
    ),
    serverInterval: duration("ServerInterval", "Idle time after which a client is pinged; unset: two hours.", {
      ...filled,
      fallback: "7200s",
      sample: "7200s"
    }),
    serverTimeout: duration("ServerTimeout", "Wait for the answer before the connection counts as lost.", {
      ...filled,
      fallback: "20s",
      sample: "20s"
    })
  }),
  connectionTimeout: duration("ConnectionTimeout", "Limit for the beginning of a gRPC connection.", {
    ...filled,
    fallback: "5s"
  }),
  genesisMethod: text("GenesisMethod", "`file`: the bootstrap block is a file; `provisional`: made from a profile.", {
    ...filled,
    fallback: "provisional",
    sample: "provisional"
  }),
  genesisProfile: text("GenesisProfile", "Profile of configtx.yaml for `provisional`.", {
    ...filled,
    fallback: "SampleSingleMSPSolo",
    sample: "SampleInsecureSolo"
  }),
  systemChannel: text("SystemChannel", "Name of the system channel for `provisional`.", {
    ...filled,
    fallback: "test-system-channel-name"
  }),
  genesisFile: text("GenesisFile", "The bootstrap block for `file`.", {
    ...filled,
    path: true,
    fallback: "genesisblock",
    sample: "genesisblock"
  }),
  localMSPDir: text("LocalMSPDir", "Folder of the orderer's identity.", {
    ...filled,
    path: true,
    fallback: "msp",
    sample: "msp"
  }),
  localMSPID: text("LocalMSPID", "MSP ID of the orderer's organization; must be that of the channels.", {
    ...filled,
    fallback: "SampleOrg",
    sample: "SampleOrg"
  }),
  profile: section("Profile", "CPU and heap profiles over HTTP.", {
    enabled: bool("Enabled", "Serve them.", { fallback: "false", sample: "false" }),
    address: text("Address", "Where.", { ...filled, fallback: "0.0.0.0:6060", sample: "0.0.0.0:6060" })
  }),
  bccsp: bccsp({}),
  authentication: section("Authentication", "Checks of requests.", {
    timeWindow: duration("TimeWindow", "How far the time of a Deliver request may be off.", {
      ...filled,
      fallback: "15m",
      sample: "15m"
    }),
    noExpirationChecks: bool("NoExpirationChecks", "Take messages and requests of expired identities.", {
      fallback: "false"
    })
  })
})

// ---- Storage -----------------------------------------------------------------------------------------------------

const fileLedger = section("FileLedger", "The `file` and `json` ledgers.", {
  location: text("Location", "Folder; empty: a fresh one for temporary files at each start.", {
    sample: "/var/hyperledger/production/orderer"
  }),
  prefix: text("Prefix", "Name of that fresh folder.", {
    ...filled,
    fallback: "hyperledger-fabric-ordererledger",
    sample: "hyperledger-fabric-ordererledger"
  })
})

const ramLedger = section("RAMLedger", "The `ram` ledger.", {
  historySize: count("HistorySize", "Blocks kept.", { fallback: "0", sample: "1000" })
})

// ---- Kafka -------------------------------------------------------------------------------------------------------

const backoff = (fallback: string) =>
  duration("RetryBackoff", "Pause before a retry.", { ...filled, fallback, sample: fallback })
const retryMax = int("RetryMax", "Retries.", { ...filled, fallback: "3", sample: "3" })
const networkTimeout = (key: string, doc: string) => duration(key, doc, { ...filled, fallback: "30s", sample: "10s" })

const kafka = section("Kafka", "Orderers that order through Kafka.", {
  retry: section("Retry", "Tries when the cluster cannot be reached at the start of a channel.", {
    shortInterval: duration("ShortInterval", "Pause between the first tries.", {
      ...filled,
      fallback: "1m",
      sample: "5s"
    }),
    shortTotal: duration("ShortTotal", "Time spent on them.", { ...filled, fallback: "10m", sample: "10m" }),
    longInterval: duration("LongInterval", "Pause between the later tries.", {
      ...filled,
      fallback: "10m",
      sample: "5m"
    }),
    longTotal: duration("LongTotal", "Time spent on those, then the orderer gives up.", {
      ...filled,
      fallback: "12h",
      sample: "12h"
    }),
    networkTimeouts: section("NetworkTimeouts", "Limits of the network.", {
      dialTimeout: networkTimeout("DialTimeout", "Limit for connecting."),
      readTimeout: networkTimeout("ReadTimeout", "Limit of a read; also how long consumers go on after an error."),
      writeTimeout: networkTimeout("WriteTimeout", "Limit of a write.")
    }),
    metadata: section("Metadata", "Asking for metadata.", { retryBackoff: backoff("250ms"), retryMax }),
    producer: section("Producer", "Posting messages.", { retryBackoff: backoff("100ms"), retryMax }),
    consumer: section("Consumer", "Reading messages.", { retryBackoff: backoff("2s") })
  }),
  topic: section("Topic", "Topics that the orderer creates.", {
    replicationFactor: integer(-1, 32_767)(
      "ReplicationFactor",
      "Brokers that keep each topic; must be set: 0 is refused by Kafka.",
      {
        fallback: "0",
        sample: "3"
      }
    )
  }),
  verbose: bool("Verbose", "Known from old files; the log spec decides.", {
    fallback: "false",
    sample: "false",
    unused: true
  }),
  tls: section("TLS", "TLS to the brokers. PEM texts, or files as `{File: path}`.", {
    enabled: bool("Enabled", "Connect with TLS.", { fallback: "false", sample: "false" }),
    privateKey: text("PrivateKey", "The client's private key.", { secret: true, sample: "" }),
    certificate: text("Certificate", "The client's certificate.", { sample: "" }),
    rootCAs: list("RootCAs", "Authorities of the brokers.", { sample: "" }),
    clientAuthRequired: bool("ClientAuthRequired", "Without meaning here.", { fallback: "false", unused: true }),
    clientRootCAs: list("ClientRootCAs", "Without meaning here.", { unused: true }),
    tlsHandshakeTimeShift: duration("TLSHandshakeTimeShift", "Without meaning here.", { fallback: "0s", unused: true })
  }),
  saslPlain: section("SASLPlain", "Name and password at the brokers.", {
    enabled: bool("Enabled", "Use them.", { fallback: "false", sample: "false" }),
    user: text("User", "The name.", { sample: "" }),
    password: text("Password", "The password.", { secret: true, sample: "" })
  }),
  version: kafkaVersion("Version", "Protocol level; not above the brokers' version.", {
    ...filled,
    fallback: "0.10.2.0",
    sample: ""
  })
})

// ---- Others ------------------------------------------------------------------------------------------------------

const debug = section("Debug", "Traces for finding faults.", {
  broadcastTraceDir: text("BroadcastTraceDir", "Folder that every Broadcast message is written to.", { sample: "" }),
  deliverTraceDir: text("DeliverTraceDir", "Folder that every Deliver message is written to.", { sample: "" })
})

const operations = section("Operations", "Health, metrics, log spec and version over HTTP.", {
  listenAddress: text("ListenAddress", "Where.", { sample: "127.0.0.1:8443" }),
  tls: section("TLS", "Its TLS. Paths are relative to the working folder.", {
    enabled: bool("Enabled", "Serve with TLS.", { fallback: "false", sample: "false" }),
    certificate: text("Certificate", "The certificate, a PEM file.", { sample: "" }),
    privateKey: text("PrivateKey", "Its private key, a PEM file.", { sample: "" }),
    rootCAs: list("RootCAs", "Without meaning here.", { unused: true }),
    clientAuthRequired: bool("ClientAuthRequired", "Demand client certificates for everything.", {
      fallback: "false",
      sample: "false"
    }),
    clientRootCAs: list("ClientRootCAs", "Authorities of client certificates, PEM files.", {
      sample: "[]"
    }),
    tlsHandshakeTimeShift: duration("TLSHandshakeTimeShift", "Without meaning here.", { fallback: "0s", unused: true })
  })
})

const metrics = section("Metrics", "Metrics.", {
  provider: text("Provider", "`statsd`, `prometheus` or `disabled`.", { sample: "disabled" }),
  statsd: section("Statsd", "Where StatsD metrics go.", {
    network: text("Network", "`udp` or `tcp`.", { sample: "udp" }),
    address: text("Address", "`host:port` of the daemon.", { sample: "127.0.0.1:8125" }),
    writeInterval: duration("WriteInterval", "Pause between two writes of counters and gauges.", { sample: "30s" }),
    prefix: text("Prefix", "Put before every name.", { sample: "" })
  })
})

const tracing = section("Tracing", "Export of traces.", {
  otlp: section("OTLP", "OpenTelemetry's protocol over HTTP with JSON bodies.", {
    endpoint: text("Endpoint", "Where traces go, the whole URL (`http://127.0.0.1:4318/v1/traces`); unset: nowhere.", {
      ours: true
    }),
    headers: textMap("Headers", "Headers of each request, such as a key of the collector.", {
      ours: true,
      secret: true
    }),
    serviceName: text("ServiceName", "The node's name in the traces; unset: `orderer`.", { ours: true }),
    interval: duration("Interval", "Longest pause between two exports.", { ...filled, fallback: "5s", ours: true })
  })
})

/** Passed on undecoded, as in the reference; Raft reads it, which is not served. */
const consensus = opaque("Consensus", "Settings of Raft; read, though Raft is not served.", {
  sample:
    "\nWALDir: /var/hyperledger/production/orderer/etcdraft/wal\nSnapDir: /var/hyperledger/production/orderer/etcdraft/snapshot"
})

export const OrdererYaml = section("", "orderer.yaml: the orderer.", {
  general,
  fileLedger,
  ramLedger,
  kafka,
  debug,
  operations,
  metrics,
  tracing,
  consensus
})

/** The decoded values of orderer.yaml, keys in camel case. */
export type OrdererValues = Schema.Schema.Type<typeof OrdererYaml>

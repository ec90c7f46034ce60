/** `peer` of core.yaml. Source: peer-endorse-validate.md 2.2. */
import {
  addressOverrides,
  bool,
  count,
  duration,
  fraction,
  handlerList,
  handlerMap,
  int,
  text,
  word,
  words
} from "../fields.js"
import { section } from "../schema.js"
import { bccsp } from "../shared.js"
import { gossip } from "./gossip.js"

const file = (doc: string, sample?: string) =>
  text("file", doc, { path: true, ...(sample === undefined ? {} : { sample }) })
const files = (doc: string, sample?: string) =>
  words("files", doc, { path: true, ...(sample === undefined ? {} : { sample }) })

const keepalivePair = (of: string) => ({
  interval: duration("interval", `Idle time after which ${of} is pinged.`, { fallback: "60s", sample: "60s" }),
  timeout: duration("timeout", "Wait for the answer before the connection counts as lost.", {
    fallback: "20s",
    sample: "20s"
  })
})

const keepalive = section("keepalive", "Pings on gRPC connections.", {
  minInterval: duration(
    "minInterval",
    "Shortest pause between pings of a client; taken and not enforced, the gRPC library cannot.",
    { fallback: "60s", sample: "60s" }
  ),
  client: section("client", "Connections to other peers.", keepalivePair("a peer")),
  deliveryClient: section("deliveryClient", "Connections to orderers.", keepalivePair("an orderer"))
})

const tls = section("tls", "TLS of the gRPC server and of connections to other nodes.", {
  enabled: bool("enabled", "Serve with TLS.", { fallback: "false", sample: "false" }),
  clientAuthRequired: bool("clientAuthRequired", "Demand and verify client certificates (mutual TLS).", {
    fallback: "false",
    sample: "false"
  }),
  maxVersion: word("1.2", "1.3")("maxVersion", "Highest TLS version of the server. Fabric has 1.2 only.", {
    fallback: "1.2",
    ours: true
  }),
  reloadInterval: duration(
    "reloadInterval",
    "How often the files of certificates and keys are looked at; new ones serve new connections without a restart. 0: never, as in Fabric.",
    { fallback: "0s", ours: true }
  ),
  cert: section("cert", "The server's certificate.", { file: file("PEM file.", "tls/server.crt") }),
  key: section("key", "The server's private key.", { file: file("PEM file.", "tls/server.key") }),
  rootcert: section("rootcert", "The authority trusted on connections to other nodes.", {
    file: file("PEM file.", "tls/ca.crt")
  }),
  clientRootCAs: section("clientRootCAs", "Authorities of client certificates, beside those of the channels.", {
    files: files("PEM files.", "[tls/ca.crt]")
  }),
  serverRootCAs: section("serverRootCAs", "More authorities trusted on connections to other nodes.", {
    files: files("PEM files.")
  }),
  clientKey: section("clientKey", "Private key shown to other nodes; the server's when neither is set.", {
    file: file("PEM file.", "")
  }),
  clientCert: section("clientCert", "Certificate shown to other nodes; set with `clientKey` or not at all.", {
    file: file("PEM file.", "")
  }),
  serverhostoverride: text("serverhostoverride", "Name that a server's certificate must carry (command line)."),
  handshakeTimeShift: duration("handshakeTimeShift", "Judge certificates as of that long ago (command line).", {
    fallback: "0s"
  })
})

const deliveryclient = section("deliveryclient", "Taking blocks from orderers.", {
  reconnectTotalTimeThreshold: duration(
    "reconnectTotalTimeThreshold",
    "Time spent on reconnecting before it is given up.",
    {
      zeroIsUnset: true,
      fallback: "1h",
      sample: "3600s"
    }
  ),
  connTimeout: duration("connTimeout", "Limit for connecting to an orderer.", {
    zeroIsUnset: true,
    fallback: "3s",
    sample: "3s"
  }),
  reConnectBackoffThreshold: duration("reConnectBackoffThreshold", "Longest pause between two tries.", {
    zeroIsUnset: true,
    fallback: "1h",
    sample: "3600s"
  }),
  addressOverrides: addressOverrides("addressOverrides", "Other addresses for orderers of the channel configuration.", {
    sample: ""
  }),
  staticRootsEnabled: bool("staticRootsEnabled", "Trust `peer.tls.serverRootCAs` for orderers too.", {
    fallback: "false"
  })
})

const handlers = section(
  "handlers",
  "Handlers of endorsement and validation, by name. A `library` is a module to load.",
  {
    authFilters: handlerList("authFilters", "Filters of proposals, in order.", {
      sample: "\n- name: DefaultAuth\n- name: ExpirationCheck"
    }),
    decorators: handlerList("decorators", "Decorators of chaincode input, in order.", {
      sample: "\n- name: DefaultDecorator"
    }),
    endorsers: handlerMap("endorsers", "Endorsement by the name in the chaincode definition.", {
      sample: "\nescc:\n  name: DefaultEndorsement\n  library:"
    }),
    validators: handlerMap("validators", "Validation by the name in the chaincode definition.", {
      sample: "\nvscc:\n  name: DefaultValidation\n  library:"
    })
  }
)

const discovery = section("discovery", "The discovery service.", {
  enabled: bool("enabled", "Serve it.", { fallback: "false", sample: "true" }),
  authCacheEnabled: bool("authCacheEnabled", "Remember who may ask.", { fallback: "false", sample: "true" }),
  authCacheMaxSize: count("authCacheMaxSize", "Callers remembered.", { fallback: "0", sample: "1000" }),
  authCachePurgeRetentionRatio: fraction("authCachePurgeRetentionRatio", "Share that stays when the memory is full.", {
    fallback: "0",
    sample: "0.75"
  }),
  orgMembersAllowedAccess: bool("orgMembersAllowedAccess", "Let all members, not only admins, ask beyond channels.", {
    fallback: "false",
    sample: "false"
  })
})

export const peer = section("peer", "The peer.", {
  id: text("id", "Name of this peer: in logs, chaincode names and gossip.", { sample: "jdoe" }),
  networkId: text("networkId", "Name of the network: in logs and chaincode names.", { sample: "dev" }),
  listenAddress: text("listenAddress", "Where the gRPC server listens.", { sample: "0.0.0.0:7051" }),
  chaincodeListenAddress: text("chaincodeListenAddress", "Where the server for chaincode listens; unset: port 7052."),
  chaincodeAddress: text("chaincodeAddress", "Address that chaincode is told to connect to; unset: derived."),
  address: text(
    "address",
    "This peer's address for peers of its organization; for the command line, the peer to talk to.",
    {
      sample: "0.0.0.0:7051"
    }
  ),
  addressAutoDetect: bool("addressAutoDetect", "Put this machine's first address in place of the host.", {
    fallback: "false",
    sample: "false"
  }),
  gomaxprocs: int("gomaxprocs", "Known from Go peers.", { fallback: "-1", sample: "-1", unused: true }),
  connectiontimeout: duration("connectiontimeout", "Limit for the beginning of a gRPC connection.", {
    zeroIsUnset: true,
    fallback: "5s"
  }),
  keepalive,
  gossip,
  tls,
  authentication: section("authentication", "Checks of requests.", {
    timewindow: duration("timewindow", "How far the time of a Deliver request may be off.", {
      zeroIsUnset: true,
      fallback: "15m",
      sample: "15m"
    })
  }),
  fileSystemPath: text("fileSystemPath", "Folder of ledgers, chaincode packages and transient data.", {
    path: true,
    sample: "/var/hyperledger/production"
  }),
  bccsp: bccsp({ path: true }),
  mspConfigPath: text("mspConfigPath", "Folder of the peer's identity.", { path: true, sample: "msp" }),
  localMspId: text("localMspId", "MSP ID of the peer's organization; must be that of the channels.", {
    sample: "SampleOrg"
  }),
  localMspType: text("localMspType", "Kind of the MSP; only `bccsp`.", {
    zeroIsUnset: true,
    fallback: "bccsp",
    sample: "bccsp"
  }),
  client: section("client", "The command line as a client.", {
    connTimeout: duration("connTimeout", "Limit for connecting.", { zeroIsUnset: true, fallback: "3s", sample: "3s" })
  }),
  deliveryclient,
  profile: section("profile", "CPU and heap profiles over HTTP.", {
    enabled: bool("enabled", "Serve them.", { fallback: "false", sample: "false" }),
    listenAddress: text("listenAddress", "Where.", { sample: "0.0.0.0:6060" })
  }),
  adminService: section("adminService", "The admin service.", {
    listenAddress: text(
      "listenAddress",
      "An address of its own; unset, or with the port of `peer.listenAddress`: that server."
    )
  }),
  handlers,
  validatorPoolSize: count("validatorPoolSize", "Transactions validated at a time; unset: the number of processors.", {
    sample: ""
  }),
  discovery
})

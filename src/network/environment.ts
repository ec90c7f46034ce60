/**
 * The environment under which each node of a network runs: the same variables that a person would set for Fabric's own
 * programs. Pure.
 */
import { join } from "node:path"
import type { NetworkPorts, PeerPlace } from "./layout.js"
import * as layout from "./layout.js"
import type { NetworkSpec } from "./spec.js"

export type Environment = Readonly<Record<string, string>>

/** Fabric's usual log line without its colours: these logs are files. */
export const LOG_FORMAT =
  "%{time:2006-01-02 15:04:05.000 MST} [%{module}] %{shortfunc} -> %{level:.4s} %{id:03x} %{message}"

const LOOPBACK = "127.0.0.1"

/** Fabric's own settings are for three brokers or more, and wait long for them. */
const kafkaEnvironment = (brokers: ReadonlyArray<string>): Environment =>
  brokers.length === 0
    ? {}
    : {
        ORDERER_KAFKA_TOPIC_REPLICATIONFACTOR: String(Math.min(3, brokers.length)),
        ORDERER_KAFKA_RETRY_SHORTINTERVAL: "1s"
      }

/** In: the folder with our `orderer.yaml` and `core.yaml`. */
export const ordererEnvironment = (spec: NetworkSpec, ports: NetworkPorts, configDir: string): Environment => {
  const material = layout.ordererMaterial(spec.dir, spec.orderer)
  const tls = join(material, "tls")
  return {
    FABRIC_CFG_PATH: configDir,
    ORDERER_GENERAL_LISTENADDRESS: LOOPBACK,
    ORDERER_GENERAL_LISTENPORT: String(ports.orderer),
    ORDERER_GENERAL_GENESISMETHOD: "file",
    ORDERER_GENERAL_GENESISFILE: layout.genesisFile(spec.dir),
    ORDERER_GENERAL_LOCALMSPID: spec.orderer.mspId,
    ORDERER_GENERAL_LOCALMSPDIR: join(material, "msp"),
    ORDERER_GENERAL_LEDGERTYPE: "file",
    ORDERER_FILELEDGER_LOCATION: layout.ordererLedger(spec.dir, spec.orderer),
    ORDERER_OPERATIONS_LISTENADDRESS: `${LOOPBACK}:${ports.ordererOperations}`,
    ORDERER_GENERAL_TLS_ENABLED: String(spec.tls),
    ...kafkaEnvironment(spec.brokers),
    ...(spec.tls
      ? {
          ORDERER_GENERAL_TLS_CERTIFICATE: join(tls, "server.crt"),
          ORDERER_GENERAL_TLS_PRIVATEKEY: join(tls, "server.key"),
          ORDERER_GENERAL_TLS_ROOTCAS: `[${join(tls, "ca.crt")}]`
        }
      : {})
  }
}

/**
 * Every organisation elects who takes its blocks from the orderer, one that has a single peer too: it may grow while it
 * runs. A peer that starts alone looks around and waits for rivals for a moment only, for there is nobody to wait for;
 * who comes later has the longer times and hears of it before it would propose itself. The times are for a network on
 * one machine, where nobody wants to wait: Fabric's own are for wide ones.
 */
const gossipEnvironment = (ports: NetworkPorts, { org }: PeerPlace): Environment => {
  const own = Array.from({ length: org.peers }, (_, i) => ports.peers[layout.peerHost(org, i)]?.peer ?? 0)
  const alone = org.peers === 1
  return {
    CORE_PEER_GOSSIP_BOOTSTRAP: own.map((port) => `${LOOPBACK}:${port}`).join(" "),
    CORE_PEER_GOSSIP_USELEADERELECTION: "true",
    CORE_PEER_GOSSIP_ORGLEADER: "false",
    CORE_PEER_GOSSIP_ELECTION_STARTUPGRACEPERIOD: alone ? "1ms" : "2s",
    CORE_PEER_GOSSIP_ELECTION_MEMBERSHIPSAMPLEINTERVAL: alone ? "1ms" : "200ms",
    CORE_PEER_GOSSIP_ELECTION_LEADERALIVETHRESHOLD: "3s",
    CORE_PEER_GOSSIP_ELECTION_LEADERELECTIONDURATION: alone ? "5ms" : "500ms",
    CORE_PEER_GOSSIP_ALIVETIMEINTERVAL: "1s",
    CORE_PEER_GOSSIP_ALIVEEXPIRATIONTIMEOUT: "10s",
    CORE_PEER_GOSSIP_RECONNECTINTERVAL: "1s",
    CORE_PEER_GOSSIP_PULLINTERVAL: "2s",
    CORE_PEER_GOSSIP_REQUESTSTATEINFOINTERVAL: "1s",
    CORE_PEER_GOSSIP_PUBLISHSTATEINFOINTERVAL: "1s",
    CORE_PEER_GOSSIP_STATE_CHECKINTERVAL: "2s",
    CORE_PEER_GOSSIP_PVTDATA_RECONCILESLEEPINTERVAL: "5s"
  }
}

export const peerEnvironment = (
  spec: NetworkSpec,
  ports: NetworkPorts,
  peer: PeerPlace,
  configDir: string
): Environment => {
  const own = ports.peers[peer.host] ?? { peer: 0, chaincode: 0, operations: 0 }
  const tls = join(peer.material, "tls")
  const address = `${LOOPBACK}:${own.peer}`
  return {
    FABRIC_CFG_PATH: configDir,
    CORE_PEER_ID: peer.host,
    CORE_PEER_NETWORKID: "dev",
    CORE_PEER_ADDRESS: address,
    CORE_PEER_LISTENADDRESS: address,
    CORE_PEER_CHAINCODEADDRESS: `${LOOPBACK}:${own.chaincode}`,
    CORE_PEER_CHAINCODELISTENADDRESS: `${LOOPBACK}:${own.chaincode}`,
    CORE_PEER_GOSSIP_EXTERNALENDPOINT: address,
    ...gossipEnvironment(ports, peer),
    CORE_PEER_LOCALMSPID: peer.org.mspId,
    CORE_PEER_MSPCONFIGPATH: join(peer.material, "msp"),
    CORE_PEER_FILESYSTEMPATH: peer.ledger,
    CORE_OPERATIONS_LISTENADDRESS: `${LOOPBACK}:${own.operations}`,
    CORE_PEER_TLS_ENABLED: String(spec.tls),
    ...(spec.tls
      ? {
          CORE_PEER_TLS_CERT_FILE: join(tls, "server.crt"),
          CORE_PEER_TLS_KEY_FILE: join(tls, "server.key"),
          CORE_PEER_TLS_ROOTCERT_FILE: join(tls, "ca.crt")
        }
      : {})
  }
}

/** How chaincode is worked on. */
export interface DeskOptions {
  /** Run chaincode in its folder and start it anew when it changes. */
  readonly watch: boolean
  /** First port for debuggers; undefined for none. */
  readonly inspect: number | undefined
}

/** The first debugger port of a peer: each has as many as there are chaincodes. In: the peer's place among all peers. */
export const inspectPort = (inspect: number, peer: number, { chaincodes }: Pick<NetworkSpec, "chaincodes">): number =>
  inspect === 0 ? 0 : inspect + peer * Math.max(1, chaincodes.length)

/** What a peer is told beyond `peerEnvironment`. */
export const deskEnvironment = (
  { inspect, watch }: DeskOptions,
  peer: number,
  spec: Pick<NetworkSpec, "chaincodes">
): Environment => ({
  ...(watch ? { CORE_CHAINCODE_WATCH: "true" } : {}),
  ...(inspect === undefined ? {} : { CORE_VM_PROCESS_INSPECT: String(inspectPort(inspect, peer, spec)) })
})

/** What tools that build and run chaincode may inherit. */
export const toolEnvironment = (environment: Readonly<Record<string, string | undefined>>): Environment =>
  Object.fromEntries(
    ["PATH", "HOME", "GOPATH", "GOROOT", "GOCACHE", "GOMODCACHE", "JAVA_HOME", "TMPDIR"].flatMap((name) => {
      const value = environment[name]
      return value === undefined ? [] : [[name, value]]
    })
  )

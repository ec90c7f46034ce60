/**
 * What a chaincode process and the tools that build it get to see of the peer's environment. Pure.
 * Source: chaincode.md R16, R18, R19.
 */
import * as path from "node:path"
import type { LaunchRequest } from "../ContainerRuntime.js"

export type Environment = Readonly<Record<string, string>>

/** Variables of the machine that a chaincode keeps. Nothing of the peer's own, and no option of Node. */
const KEPT = ["LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "JAVA_HOME"]
/** What configures the peer, and what an npm that started the peer says about the peer's own package. */
const PEERS_OWN =
  /^(CORE_|ORDERER_|FABRIC_|NODE_OPTIONS$|INIT_CWD$|npm_(lifecycle|package|command|execpath|node_execpath|config_(local_prefix|prefix|global)))/

/** The peer's search path, and last the folder of its own Node, so that there is one. */
export const searchPathOf = (peer: Environment): string => {
  const own = path.dirname(process.execPath)
  return `${peer.PATH === undefined || peer.PATH === "" ? "/usr/local/bin:/usr/bin:/bin" : peer.PATH}:${own}`
}

/** The environment of build tools: the peer's, without what configures the peer. */
export const toolEnvironment = (peer: Environment, home: string | undefined): Environment => ({
  ...Object.fromEntries(Object.entries(peer).filter(([key]) => !PEERS_OWN.test(key))),
  PATH: searchPathOf(peer),
  ...(home === undefined ? {} : { HOME: home })
})

/** Where the TLS files of one process lie. */
export interface TlsPlaces {
  readonly clientKey: string
  readonly clientCertificate: string
  readonly rootCertificate: string
}

/** The environment of a chaincode process. */
export const chaincodeEnvironment = (
  request: Pick<LaunchRequest, "environment">,
  tls: TlsPlaces | undefined,
  peer: Environment,
  home: string
): Environment => ({
  ...Object.fromEntries(KEPT.flatMap((key) => (peer[key] === undefined ? [] : [[key, peer[key]]]))),
  PATH: searchPathOf(peer),
  HOME: home,
  ...Object.fromEntries(request.environment),
  ...(tls === undefined
    ? { CORE_PEER_TLS_ENABLED: "false" }
    : {
        CORE_PEER_TLS_ENABLED: "true",
        CORE_TLS_CLIENT_KEY_PATH: tls.clientKey,
        CORE_TLS_CLIENT_CERT_PATH: tls.clientCertificate,
        CORE_PEER_TLS_ROOTCERT_FILE: tls.rootCertificate
      })
})

/** Why TLS handshakes fail, in Go's words where scripts and people know them. Pure. Source: crypto/tls and crypto/x509. */

/** What the other side said before it hung up: `handshake failure` when it misses a client certificate. */
const alert = /^ERR_SSL_(?:SSLV3|TLSV1|TLSV13)_ALERT_(\w+)$/
const alertNames: Readonly<Record<string, string>> = { UNKNOWN_CA: "unknown certificate authority" }

/** A text as one line: OpenSSL ends its texts with a line feed of its own. */
export const oneLine = (text: string): string => text.trim().replace(/\s*[\r\n]+\s*/g, " ")

/** What is wrong with a certificate, by Node's name for it; undefined when it is not about one. */
const certificateFault = (code: string): string | undefined => {
  switch (code) {
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return "x509: certificate has expired or is not yet valid"
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      return "x509: certificate signed by unknown authority"
    case "INVALID_PURPOSE":
      return "x509: certificate specifies an incompatible key usage"
    default:
      return undefined
  }
}

const NO_TLS = "tls: first record does not look like a TLS handshake"

interface Failure {
  readonly code?: string
  readonly message: string
}

/** As a client tells it. */
export const clientReason = ({ code = "", message }: Failure): string => {
  const fault = certificateFault(code)
  if (fault !== undefined) return fault
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER") return NO_TLS
  const name = alert.exec(code)?.[1]
  if (name === undefined) return oneLine(message)
  return `remote error: tls: ${alertNames[name] ?? name.toLowerCase().replaceAll("_", " ")}`
}

const serverFaults: Readonly<Record<string, string>> = {
  ECONNRESET: "EOF",
  ERR_SSL_HTTP_REQUEST: NO_TLS,
  ERR_SSL_NO_SHARED_CIPHER: "tls: no cipher suite supported by both client and server",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "tls: client didn't provide a certificate",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "tls: client offered only unsupported versions",
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS
}

/** As a server tells it. In: Node's error, and what it found wrong with the client's certificate, if that is it. */
export const serverReason = (failure: Failure, authorizationError: string | undefined): string => {
  if (authorizationError !== undefined)
    return `tls: failed to verify client's certificate: ${certificateFault(authorizationError) ?? authorizationError}`
  return serverFaults[failure.code ?? ""] ?? clientReason(failure)
}

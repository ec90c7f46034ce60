/**
 * The TLS suites that Fabric pins for every server it has; no key sets them.
 * Source: core/comm/config.go (DefaultTLSCipherSuites); peer-endorse-validate.md 2.3.
 */

/** OpenSSL's names, in the reference's order. */
const suites = [
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "AES128-GCM-SHA256",
  "AES256-GCM-SHA384"
]
const suites13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]

/** The list as OpenSSL takes it. TLS 1.3's own suites matter only where that version is allowed. */
export const cipherList = [...suites13, ...suites].join(":")

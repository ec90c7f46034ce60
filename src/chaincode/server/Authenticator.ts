/**
 * Binds client certificates to chaincode names: a launch gets a certificate, and only the process that shows it may
 * register under the launched name. Source: chaincode.md R5; core/chaincode/accesscontrol.
 */
import type { CertKeyPair, ChaincodeCA } from "./ChaincodeCA.js"
import { certificateHash } from "./ChaincodeCA.js"

/** A binding is forgotten this long after it was made, milliseconds. */
export const BINDING_LIFETIME = 10 * 60_000

/** What a chaincode gets for its TLS connection. Key and certificate are base64 of the PEM text (R18, T5). */
export interface ChaincodeCredentials {
  readonly clientKey: string
  readonly clientCertificate: string
  /** PEM, as it is. */
  readonly rootCertificate: Uint8Array
}

const base64 = (pem: Uint8Array): string => Buffer.from(pem).toString("base64")

export class Authenticator {
  private readonly bindings = new Map<string, { readonly name: string; readonly until: number }>()
  /** Hash of the certificate for processes started by hand; registers any name that `external` admits. */
  private externalHash: string | undefined

  constructor(
    private readonly ca: ChaincodeCA,
    /** Milliseconds, monotonic or not: only differences count. */
    private readonly now: () => number,
    /** Whether a process started by hand may register under this name. */
    private readonly external: (name: string) => boolean = () => false
  ) {}

  /** A certificate for `name` (`name:version`), valid for a registration within ten minutes. */
  generate(name: string): ChaincodeCredentials {
    this.purge()
    const pair = this.ca.clientPair()
    this.bindings.set(pair.hash, { name, until: this.now() + BINDING_LIFETIME })
    return this.credentials(pair)
  }

  /** The certificate for processes started by hand; one per start of the peer, without an end. */
  generateExternal(): ChaincodeCredentials {
    const pair = this.ca.clientPair()
    this.externalHash = pair.hash
    return this.credentials(pair)
  }

  /**
   * Why the process with this certificate may not register as `name`; undefined when it may.
   * @param certificateDer the leaf that it showed, undefined when it showed none
   */
  refusal(name: string, certificateDer: Uint8Array | undefined): string | undefined {
    if (certificateDer === undefined || certificateDer.length === 0) {
      return `TLS is active but chaincode ${name} didn't send certificate`
    }
    this.purge()
    const hash = certificateHash(certificateDer)
    const shown = `[${[...Buffer.from(hash, "hex")].join(" ")}]`
    if (hash === this.externalHash) {
      return this.external(name) ? undefined : `Chaincode ${name} with given certificate hash ${shown} is not installed`
    }
    const bound = this.bindings.get(hash)
    if (bound === undefined) return `Chaincode ${name} with given certificate hash ${shown} not found in registry`
    if (bound.name !== name) {
      return `Chaincode ${name} with given certificate hash ${shown} belongs to a different chaincode`
    }
    return undefined
  }

  private credentials(pair: CertKeyPair): ChaincodeCredentials {
    return {
      clientKey: base64(pair.key),
      clientCertificate: base64(pair.certificate),
      rootCertificate: this.ca.certificate
    }
  }

  private purge(): void {
    const at = this.now()
    // insertion order is order of expiry
    for (const [hash, { until }] of this.bindings) {
      if (until > at) return
      this.bindings.delete(hash)
    }
  }
}

/**
 * The client's TLS handshake, done here instead of in grpc-js: its own keeps the reason of a failure to itself, warns of
 * host names that are IP addresses, and cannot judge certificates as of another time.
 * Source: core/comm/client.go, creds.go.
 */
import { isIP } from "node:net"
import * as tls from "node:tls"
import * as grpc from "@grpc/grpc-js"
import { clientReason } from "./tlsReasons.js"

export interface Handshake {
  readonly context: tls.SecureContext
  /** The host of the address. */
  readonly host: string
  /** The name that the certificate must carry instead of the host. */
  readonly serverNameOverride: string | undefined
  /** Judges a chain that OpenSSL refused: why not, or undefined when it will do. */
  readonly judge: ((socket: tls.TLSSocket) => string | undefined) | undefined
  /** Told of every handshake's end. */
  readonly done: (result: { readonly certificateDer: Uint8Array } | { readonly failure: string }) => void
}

type Connector = ReturnType<grpc.ChannelCredentials["_createSecureConnector"]>
type Connect = Connector["connect"]

const handshake = (options: Handshake, socket: Parameters<Connect>[0]): ReturnType<Connect> =>
  new Promise((resolve, reject) => {
    const { context, done, host, judge, serverNameOverride } = options
    const name = serverNameOverride ?? host
    let settled = false
    const fail = (error: Error): void => {
      if (settled) return
      settled = true
      done({ failure: `authentication handshake failed: ${clientReason(error)}` })
      secure.destroy()
      reject(error)
    }
    const secure = tls.connect({
      socket,
      secureContext: context,
      host: name,
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ALPNProtocols: ["h2"],
      rejectUnauthorized: judge === undefined
    })
    secure.on("error", fail)
    secure.once("close", () => fail(new Error("connection closed")))
    secure.once("secureConnect", () => {
      if (judge !== undefined && !secure.authorized) {
        const refused = judge(secure)
        if (refused !== undefined) return fail(new Error(refused))
        const wrongName = tls.checkServerIdentity(name, secure.getPeerCertificate(true))
        if (wrongName !== undefined) return fail(wrongName)
      }
      settled = true
      const certificate = secure.getPeerX509Certificate()
      done({ certificateDer: new Uint8Array(certificate?.raw ?? []) })
      resolve({ socket: secure, secure: true })
    })
  })

/** Credentials of one channel. */
export class CheckedCredentials extends grpc.ChannelCredentials {
  constructor(private readonly options: Handshake) {
    super()
  }
  override compose(): grpc.ChannelCredentials {
    throw new Error("call credentials are not used by Fabric")
  }
  override _isSecure(): boolean {
    return true
  }
  override _equals(other: grpc.ChannelCredentials): boolean {
    return this === other
  }
  override _createSecureConnector(): Connector {
    const callCredentials = grpc.credentials.createEmpty()
    return {
      connect: (socket) => handshake(this.options, socket),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials,
      destroy: () => {}
    }
  }
}

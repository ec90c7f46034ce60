/**
 * The peer's second gRPC server, for chaincode only: its address, its certificates made fresh at each start, its TLS.
 * The socket is bound here; the service is added by `ChaincodeService`. Source: chaincode.md R1-R5, section 2 (fixed
 * values); startChaincodeServer in peer/node/start.go.
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { closing } from "../../runtime/closing.js"
import * as Log from "../../runtime/Log.js"
import type { Metrics } from "../../runtime/Metrics.js"
import { textOf } from "../../runtime/Stage.js"
import {
  type BindFailed,
  type GrpcServerShape,
  makeGrpcServer,
  type TlsMaterialInvalid
} from "../../transport/index.js"
import { Authenticator } from "./Authenticator.js"
import { type ChaincodeCA, makeChaincodeCA } from "./ChaincodeCA.js"
import { chaincodeEndpoint, type Endpoint, type EndpointInput, type EndpointInvalid, withPort } from "./endpoint.js"

export interface ChaincodeServerOptions extends EndpointInput {
  /** `peer.tls.enabled`. */
  readonly tlsEnabled: boolean
  /** `peer.connectiontimeout`, milliseconds; 0 for the default of 5 seconds. */
  readonly connectionTimeout: number
  /** Whether a process started by hand may register under this name (with TLS: by the external certificate). */
  readonly external: (chaincode: string) => boolean
  /**
   * With TLS: a folder for the certificate and key of processes started by hand, readable by the peer's user alone and
   * removed with the server. Undefined: there is no such certificate.
   */
  readonly externalCredentials?: string
}

/** The folder for external credentials cannot be written. */
export class CredentialsUnwritable extends Data.TaggedError("CredentialsUnwritable")<{
  readonly folder: string
  readonly reason: string
}> {
  override get message() {
    return `cannot write the credentials for chaincode started by hand to ${this.folder}: ${this.reason}`
  }
}

export interface ChaincodeServerShape {
  readonly endpoint: Endpoint
  /** Present with TLS. */
  readonly authenticator: Authenticator | undefined
  readonly grpc: GrpcServerShape
}

export class ChaincodeServer extends Context.Tag("chaincode/server/ChaincodeServer")<
  ChaincodeServer,
  ChaincodeServerShape
>() {}

const log = Log.module("nodeCmd", "startChaincodeServer")

/** Puts down what a chaincode started by hand needs: the files that CORE_TLS_CLIENT_KEY_PATH and its like point to. */
const writeExternal = (authenticator: Authenticator, folder: string) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const { clientCertificate, clientKey, rootCertificate } = authenticator.generateExternal()
        await fs.rm(folder, { recursive: true, force: true })
        await fs.mkdir(folder, { recursive: true, mode: 0o700 })
        await fs.writeFile(path.join(folder, "client.key"), clientKey, { mode: 0o600 })
        await fs.writeFile(path.join(folder, "client.crt"), clientCertificate, { mode: 0o600 })
        await fs.writeFile(path.join(folder, "peer.crt"), rootCertificate, { mode: 0o600 })
      },
      catch: (error) => new CredentialsUnwritable({ folder, reason: textOf(error) })
    }),
    () => closing(folder, () => fs.rm(folder, { recursive: true, force: true }))
  )

/** Stage: endpoint, CA, certificates, bound socket. */
export const layer = (
  options: ChaincodeServerOptions
): Layer.Layer<ChaincodeServer, EndpointInvalid | BindFailed | TlsMaterialInvalid | CredentialsUnwritable, Metrics> =>
  Layer.scoped(
    ChaincodeServer,
    Effect.gen(function* () {
      const computed = yield* chaincodeEndpoint(options)
      for (const warning of computed.warnings) yield* log.warning(warning)
      const clock = yield* Clock.clockWith((current) => Effect.succeed(current))
      const now = () => clock.unsafeCurrentTimeMillis()
      const ca: ChaincodeCA | undefined = options.tlsEnabled ? makeChaincodeCA({ now, randomBytes }) : undefined
      const pair = ca?.serverPair(computed.host)
      const grpc = yield* makeGrpcServer({
        address: computed.listenAddress,
        tls:
          ca === undefined || pair === undefined
            ? undefined
            : {
                certificate: pair.certificate,
                key: pair.key,
                requireClientCert: true,
                clientRootCAs: [ca.certificate]
              },
        keepalive: { interval: "2 hours", timeout: "20 seconds" },
        observed: false,
        ...(options.connectionTimeout > 0 ? { connectionTimeout: options.connectionTimeout } : {})
      })
      const endpoint = withPort(computed, grpc.port)
      yield* log.info(`Chaincode server listens on ${grpc.address}, chaincode connects to ${endpoint.address}`)
      const authenticator = ca === undefined ? undefined : new Authenticator(ca, now, options.external)
      const { externalCredentials } = options
      if (authenticator !== undefined && externalCredentials !== undefined) {
        yield* writeExternal(authenticator, externalCredentials)
        yield* log.info(`Chaincode started by hand finds its TLS files in ${externalCredentials}`)
      }
      return { endpoint, authenticator, grpc }
    })
  )

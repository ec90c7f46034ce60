/**
 * How the orderer gets in at Kafka brokers that do not take everybody: TLS, and name and password (SASL/PLAIN). Files are
 * named, never their contents: what a network remembers of itself holds no secret.
 */
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import type { Environment } from "./environment.js"
import { NetworkRefused } from "./errors.js"

/** Each a file. TLS is used when an authority is named. */
export interface BrokerAccess {
  /** Authorities of the brokers' certificates, PEM. */
  readonly tlsCa?: string
  /** Certificate and private key for brokers that ask for one, PEM. */
  readonly tlsCert?: string
  readonly tlsKey?: string
  /** SASL/PLAIN: the name, and the file whose first line is the password. */
  readonly user?: string
  readonly passwordFile?: string
}

/** Why no broker could be reached like that; undefined when it could. Pure. */
export const accessFault = (access: BrokerAccess): readonly [reason: string, remedy: string] | undefined => {
  const { passwordFile, tlsCa, tlsCert, tlsKey, user } = access
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    return ["a certificate for Kafka needs its key, and a key its certificate", "name both files"]
  if (tlsCert !== undefined && tlsCa === undefined)
    return ["TLS to Kafka needs the authority of the brokers", "name its file: --kafka-tls-ca"]
  if ((user === undefined) !== (passwordFile === undefined))
    return ["a user of Kafka needs a password, and a password a user", "name both: --kafka-user, --kafka-password-file"]
  return undefined
}

/** The same with absolute paths. Pure. */
export const settledAccess = (access: BrokerAccess, cwd: string): BrokerAccess => {
  const { user, ...files } = access
  const paths = Object.entries(files).map(([key, file]) => [key, resolve(cwd, String(file))] as const)
  return { ...Object.fromEntries(paths), ...(user === undefined ? {} : { user }) }
}

const contentOf = (file: string): Effect.Effect<string, NetworkRefused> =>
  Effect.try({
    try: () => readFileSync(file, "utf8"),
    catch: (error) =>
      new NetworkRefused({
        reason: `cannot read ${file} for Kafka: ${error instanceof Error ? error.message : String(error)}`,
        remedy: "name a file that is there: --kafka-tls-ca, --kafka-tls-cert, --kafka-tls-key, --kafka-password-file"
      })
  })

/** What the orderer is told: the contents of the files, as they are now. */
export const brokerEnvironment = (access: BrokerAccess | undefined): Effect.Effect<Environment, NetworkRefused> =>
  Effect.gen(function* () {
    const { passwordFile, tlsCa, tlsCert, tlsKey, user } = access ?? {}
    const environment: Record<string, string> = {}
    if (tlsCa !== undefined) {
      environment.ORDERER_KAFKA_TLS_ENABLED = "true"
      environment.ORDERER_KAFKA_TLS_ROOTCAS = yield* contentOf(tlsCa)
    }
    if (tlsCert !== undefined) environment.ORDERER_KAFKA_TLS_CERTIFICATE = yield* contentOf(tlsCert)
    if (tlsKey !== undefined) environment.ORDERER_KAFKA_TLS_PRIVATEKEY = yield* contentOf(tlsKey)
    if (user !== undefined && passwordFile !== undefined) {
      const [password = ""] = (yield* contentOf(passwordFile)).split(/\r?\n/)
      environment.ORDERER_KAFKA_SASLPLAIN_ENABLED = "true"
      environment.ORDERER_KAFKA_SASLPLAIN_USER = user
      environment.ORDERER_KAFKA_SASLPLAIN_PASSWORD = password
    }
    return environment
  })

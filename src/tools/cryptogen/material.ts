/** The folders of nodes, users and organizations (sheet rules 93 and 94; cryptogen's msp package). */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Either from "effect/Either"
import { encodePrivateKey, generateKey, keyFileName } from "../../crypto/index.js"
import { type Authority, certificateFile, issue } from "./authority.js"

/** Organizational units of NodeOUs, and who gets which. */
export type NodeRole = "client" | "peer" | "admin" | "orderer"

export interface Authorities {
  readonly sign: Authority
  readonly tls: Authority
}

const folders = (root: string, names: ReadonlyArray<string>): void => {
  for (const name of names) mkdirSync(join(root, name), { recursive: true, mode: 0o755 })
}

/** Text that YAML reads as itself without quotes. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._@/-]*$/

/** config.yaml with NodeOUs on: all four units, vouched for by the signing CA. */
export const nodeOusYaml = (caFile: string): string => {
  const shown = PLAIN.test(caFile) ? caFile : JSON.stringify(caFile)
  const unit = (key: string, name: NodeRole) =>
    `  ${key}OUIdentifier:\n    Certificate: ${shown}\n    OrganizationalUnitIdentifier: ${name}\n`
  return `NodeOUs:\n  Enable: true\n${unit("Client", "client")}${unit("Peer", "peer")}${unit("Admin", "admin")}${unit("Orderer", "orderer")}`
}

/** Certificates of both CAs, and config.yaml when NodeOUs are on. */
const writeCommon = (mspFolder: string, authorities: Authorities, nodeOus: boolean): void => {
  const { sign, tls } = authorities
  writeFileSync(join(mspFolder, "cacerts", certificateFile(sign.name)), sign.certificate)
  writeFileSync(join(mspFolder, "tlscacerts", certificateFile(tls.name)), tls.certificate)
  if (nodeOus) writeFileSync(join(mspFolder, "config.yaml"), nodeOusYaml(`cacerts/${certificateFile(sign.name)}`))
}

/** The MSP folder of an organization: it only verifies. Its admin certificate, without NodeOUs, comes later. */
export const writeVerifyingMsp = (mspFolder: string, authorities: Authorities, nodeOus: boolean): void => {
  folders(mspFolder, ["admincerts", "cacerts", "tlscacerts"])
  writeCommon(mspFolder, authorities, nodeOus)
}

/** The `msp` and `tls` folders of a node or user. Without NodeOUs its own certificate stands among its admins. */
export const writeLocalMsp = (
  folder: string,
  options: {
    readonly name: string
    readonly sans: ReadonlyArray<string>
    readonly role: NodeRole
    readonly authorities: Authorities
    readonly nodeOus: boolean
    readonly now: number
  }
): Either.Either<void, string> => {
  const { authorities, name, nodeOus, now, role, sans } = options
  const signKey = generateKey()
  const ous = nodeOus ? [role] : []
  const certificate = issue(authorities.sign, { name, ous, sans: [], purpose: "sign", key: signKey, now })
  if (Either.isLeft(certificate)) return Either.left(certificate.left)
  const tlsKey = generateKey()
  const tlsCertificate = issue(authorities.tls, { name, ous: [], sans, purpose: "tls", key: tlsKey, now })
  if (Either.isLeft(tlsCertificate)) return Either.left(tlsCertificate.left)
  // Made aside and moved into place: a folder that exists is taken as complete by later runs.
  const aside = join(dirname(folder), `.${name}.part`)
  rmSync(aside, { recursive: true, force: true })
  const mspFolder = join(aside, "msp")
  const tlsFolder = join(aside, "tls")
  folders(mspFolder, ["admincerts", "cacerts", "tlscacerts", "keystore", "signcerts"])
  mkdirSync(tlsFolder, { recursive: true, mode: 0o755 })
  writeFileSync(join(mspFolder, "keystore", keyFileName(signKey)), encodePrivateKey(signKey), { mode: 0o600 })
  writeFileSync(join(mspFolder, "signcerts", certificateFile(name)), certificate.right)
  writeCommon(mspFolder, authorities, nodeOus)
  if (!nodeOus) writeFileSync(join(mspFolder, "admincerts", certificateFile(name)), certificate.right)
  const stem = role === "client" || role === "admin" ? "client" : "server"
  writeFileSync(join(tlsFolder, "ca.crt"), authorities.tls.certificate)
  writeFileSync(join(tlsFolder, `${stem}.crt`), tlsCertificate.right)
  writeFileSync(join(tlsFolder, `${stem}.key`), encodePrivateKey(tlsKey), { mode: 0o600 })
  renameSync(aside, folder)
  return Either.void
}

/** Names of containers and images. Pure. Source: chaincode.md R15, acceptance check 24. */
import { createHash } from "node:crypto"

export interface NameParts {
  /** `peer.networkId`. */
  readonly networkId: string
  /** `peer.id`. */
  readonly peerId: string
}

const hexSha256 = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex")

/** The name before forbidden characters are replaced; distinct for distinct chaincodes. */
export const baseName = ({ networkId, peerId }: NameParts, name: string, version: string): string => {
  if (networkId !== "" && peerId !== "") return `${networkId}-${peerId}-${name}-${version}`
  if (networkId !== "") return `${networkId}-${name}-${version}`
  if (peerId !== "") return `${peerId}-${name}-${version}`
  return `${name}-${version}`
}

const sanitised = (base: string): string => base.replace(/[^a-zA-Z0-9\-_.]/gu, "-")

/** The container's name; also the name of its logger. */
export const containerName = (parts: NameParts, name: string, version: string): string =>
  sanitised(baseName(parts, name, version))

const IMAGE = /^[a-z0-9]+(([._-][a-z0-9]+)+)?$/

/** The image's name, which Docker may not accept: {@link isImageName}. */
export const imageName = (parts: NameParts, name: string, version: string): string => {
  const base = baseName(parts, name, version)
  return `${sanitised(base)}-${hexSha256(base)}`.toLowerCase()
}

/** Whether a name keeps to Docker's rules for repositories, as the reference checks them. */
export const isImageName = (name: string): boolean => IMAGE.test(name)

/** A folder or file name that is safe and distinct for distinct chaincodes. */
export const fileNameOf = (parts: NameParts, name: string, version: string): string => {
  const base = baseName(parts, name, version)
  return `${sanitised(base).slice(0, 100)}-${hexSha256(base).slice(0, 12)}`
}

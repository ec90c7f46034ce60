/** Filling in the names of an organization's hosts (sheet identity-policy-config 2.5; cryptogen's renderOrgSpec). */
import * as Either from "effect/Either"
import { type NodeSpec, nodeSpec, type OrganizationSpec } from "./config.js"
import { CryptoConfigInvalid } from "./errors.js"
import { renderTemplate } from "./template.js"

/** What an organization's nodes are. */
export type NodeKind = "peer" | "orderer"

const HOSTNAME = "{{.Prefix}}{{.Index}}"
const COMMON_NAME = "{{.Hostname}}.{{.Domain}}"

/** Names become folders: one that leaves its folder is refused. */
const isFolderName = (name: string): boolean =>
  name !== "" && name !== "." && name !== ".." && !/[/\\]/.test(name) && !name.includes("\u0000")

const renderNode = (domain: string, spec: NodeSpec): Either.Either<NodeSpec, string> =>
  Either.gen(function* () {
    const names = { Hostname: spec.hostname, Domain: domain, CommonName: "" }
    const commonName = yield* renderTemplate(spec.commonName === "" ? COMMON_NAME : spec.commonName, names)
    if (!isFolderName(commonName))
      return yield* Either.left(`common name "${commonName}" cannot be the name of a folder`)
    const sans = [commonName, spec.hostname]
    for (const san of spec.sans) sans.push(yield* renderTemplate(san, { ...names, CommonName: commonName }))
    return { ...spec, commonName, sans }
  })

/**
 * The organization with its templated hosts made explicit, every common name and alternative name filled in, and the CA
 * named `ca` unless it has a host name.
 */
export const renderOrganization = (
  spec: OrganizationSpec,
  kind: NodeKind
): Either.Either<OrganizationSpec, CryptoConfigInvalid> =>
  Either.mapLeft(
    Either.gen(function* () {
      if (!isFolderName(spec.domain))
        return yield* Either.left(`domain "${spec.domain}" cannot be the name of a folder`)
      const templated: Array<NodeSpec> = []
      for (let i = 0; i < spec.template.count; i++) {
        const names = { Prefix: kind, Index: i + spec.template.start, Domain: spec.domain }
        const hostname = yield* renderTemplate(spec.template.hostname === "" ? HOSTNAME : spec.template.hostname, names)
        templated.push(nodeSpec({ hostname, sans: spec.template.sans }))
      }
      const specs: Array<NodeSpec> = []
      for (const host of [...spec.specs, ...templated]) specs.push(yield* renderNode(spec.domain, host))
      const ca = yield* renderNode(spec.domain, {
        ...spec.ca,
        hostname: spec.ca.hostname === "" ? "ca" : spec.ca.hostname
      })
      return { ...spec, specs, ca }
    }),
    (cause) => new CryptoConfigInvalid({ detail: `Error processing ${kind} configuration: ${cause}` })
  )

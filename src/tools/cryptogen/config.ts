/** crypto-config.yaml (sheets identity-policy-config 2.5 and operations-cli 5): what it says, and the reading of it. */
import * as Either from "effect/Either"
import { type Given, parseYaml, type Tree } from "../../config/yaml.js"
import { CryptoConfigInvalid } from "./errors.js"

/** One host, or the CA: names may be templates until `renderOrganization` has filled them in. */
export interface NodeSpec {
  readonly hostname: string
  readonly commonName: string
  readonly country: string
  readonly province: string
  readonly locality: string
  readonly organizationalUnit: string
  readonly streetAddress: string
  readonly postalCode: string
  readonly sans: ReadonlyArray<string>
}

export interface OrganizationSpec {
  readonly name: string
  readonly domain: string
  readonly enableNodeOUs: boolean
  readonly ca: NodeSpec
  readonly template: {
    readonly count: number
    readonly start: number
    readonly hostname: string
    readonly sans: ReadonlyArray<string>
  }
  readonly specs: ReadonlyArray<NodeSpec>
  readonly users: { readonly count: number }
}

export interface CryptoConfig {
  readonly ordererOrgs: ReadonlyArray<OrganizationSpec>
  readonly peerOrgs: ReadonlyArray<OrganizationSpec>
}

/** A host with nothing but what is given. */
export const nodeSpec = (given: Partial<NodeSpec> = {}): NodeSpec => ({
  hostname: "",
  commonName: "",
  country: "",
  province: "",
  locality: "",
  organizationalUnit: "",
  streetAddress: "",
  postalCode: "",
  sans: [],
  ...given
})

/** An organization with nothing but what is given: for callers that build configurations in code. */
export const organizationSpec = (given: Partial<OrganizationSpec> & { readonly domain: string }): OrganizationSpec => ({
  name: given.domain,
  enableNodeOUs: false,
  ca: nodeSpec(),
  template: { count: 0, start: 0, hostname: "", sans: [] },
  specs: [],
  users: { count: 0 },
  ...given
})

class Mistyped extends Error {}

/** Reads fields of one map; Go's yaml.v2 ignores unknown keys and takes a null as an absent key. */
class Fields {
  constructor(
    readonly tree: Tree,
    readonly place: string
  ) {}

  #fault(key: string, wanted: string): never {
    const line = this.tree.get(key)?.line
    throw new Mistyped(`yaml: unmarshal errors:\n  line ${line ?? "?"}: ${this.place}${key} must be ${wanted}`)
  }

  text(key: string): string {
    const value = this.tree.get(key)?.value
    if (value === undefined) return ""
    return value.kind === "text" ? value.text : value.kind === "scalar" ? value.source : this.#fault(key, "text")
  }

  count(key: string): number {
    const value = this.tree.get(key)?.value
    if (value === undefined) return 0
    const number = value.kind === "scalar" ? value.value : undefined
    return typeof number === "number" && Number.isSafeInteger(number) ? number : this.#fault(key, "a whole number")
  }

  flag(key: string): boolean {
    const value = this.tree.get(key)?.value
    if (value === undefined) return false
    const flag = value.kind === "scalar" ? value.value : undefined
    return typeof flag === "boolean" ? flag : this.#fault(key, "true or false")
  }

  texts(key: string): ReadonlyArray<string> {
    return this.#list(key).map((item) =>
      item.kind === "text" ? item.text : item.kind === "scalar" ? item.source : this.#fault(key, "a list of texts")
    )
  }

  map(key: string): Fields {
    const value = this.tree.get(key)?.value
    if (value === undefined) return new Fields(new Map(), `${this.place}${key}.`)
    return value.kind === "map" ? new Fields(value.entries, `${this.place}${key}.`) : this.#fault(key, "a mapping")
  }

  maps(key: string): ReadonlyArray<Fields> {
    return this.#list(key).map((item, i) =>
      item.kind === "map"
        ? new Fields(item.entries, `${this.place}${key}[${i}].`)
        : this.#fault(key, "a list of mappings")
    )
  }

  #list(key: string): ReadonlyArray<Given> {
    const value = this.tree.get(key)?.value
    if (value === undefined) return []
    return value.kind === "list" ? value.items : this.#fault(key, "a list")
  }
}

const readNode = (fields: Fields): NodeSpec => ({
  hostname: fields.text("Hostname"),
  commonName: fields.text("CommonName"),
  country: fields.text("Country"),
  province: fields.text("Province"),
  locality: fields.text("Locality"),
  organizationalUnit: fields.text("OrganizationalUnit"),
  streetAddress: fields.text("StreetAddress"),
  postalCode: fields.text("PostalCode"),
  sans: fields.texts("SANS")
})

const readOrganization = (fields: Fields): OrganizationSpec => {
  const template = fields.map("Template")
  return {
    name: fields.text("Name"),
    domain: fields.text("Domain"),
    enableNodeOUs: fields.flag("EnableNodeOUs"),
    ca: readNode(fields.map("CA")),
    template: {
      count: template.count("Count"),
      start: template.count("Start"),
      hostname: template.text("Hostname"),
      sans: template.texts("SANS")
    },
    specs: fields.maps("Specs").map(readNode),
    users: { count: fields.map("Users").count("Count") }
  }
}

/** Reads a crypto-config.yaml. */
export const parseCryptoConfig = (text: string): Either.Either<CryptoConfig, CryptoConfigInvalid> => {
  const invalid = (cause: string) =>
    Either.left(new CryptoConfigInvalid({ detail: `Error reading config: Error Unmarshaling YAML: ${cause}` }))
  const tree = parseYaml(text, "crypto-config.yaml")
  if (Either.isLeft(tree)) return invalid(tree.left.message)
  const root = new Fields(tree.right, "")
  try {
    return Either.right({
      ordererOrgs: root.maps("OrdererOrgs").map(readOrganization),
      peerOrgs: root.maps("PeerOrgs").map(readOrganization)
    })
  } catch (error) {
    if (error instanceof Mistyped) return invalid(error.message)
    throw error
  }
}

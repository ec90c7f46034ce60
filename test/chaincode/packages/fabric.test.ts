/** Recognition, fingerprints, platform checks and metadata checks against recorded answers of Fabric 1.4.12's own code. */
import * as fs from "node:fs"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { recognisePackage } from "../../../src/chaincode/packages/ChaincodePackage.js"
import { metadataFault } from "../../../src/chaincode/packages/metadata.js"
import { codePackageFault } from "../../../src/chaincode/packages/platforms.js"
import { finish } from "../../../src/chaincode/packages/tar.js"
import { sha256 } from "../../../src/crypto/hash.js"

interface Recorded {
  /** `pkg`, `meta` or the name of a platform. */
  readonly kind: string
  readonly input: string
  readonly name?: string
  readonly fabric: string
}

const recorded: ReadonlyArray<Recorded> = JSON.parse(
  fs.readFileSync(new URL("../vectors/packages.json", import.meta.url), "utf8")
)

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const quote = (fault: string | undefined): string => (fault === undefined ? "ok" : JSON.stringify(fault))

/** Go and JSON quote control characters and letters beyond ASCII differently. */
const alike = (text: string): string =>
  text.replace(/\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\[abfnrtv"]|[^ -~]/g, "?").replace(/\?+/g, "?")

const recognised = (bytes: Uint8Array): string => {
  const result = recognisePackage(bytes, sha256)
  if (Either.isLeft(result)) return JSON.stringify(result.left.message)
  const { data, format, id, instantiationPolicy, name, version } = result.right
  const policy = instantiationPolicy === undefined ? "" : hex(instantiationPolicy)
  return `*ccprovider.${format}Package ${JSON.stringify(name)} ${JSON.stringify(version)} ${hex(id)} ${hex(data)} ${policy}`
}

const answer = ({ input, kind, name }: Recorded): string => {
  const bytes = Buffer.from(input, "base64")
  if (kind === "pkg") return recognised(bytes)
  if (kind === "meta") return quote(metadataFault(Buffer.from(name ?? "", "base64").toString("utf8"), bytes))
  return quote(finish(codePackageFault(kind, bytes)))
}

describe("packages as Fabric judges them", () => {
  const kinds = [...new Set(recorded.map(({ kind }) => kind))]
  it.each(kinds)("%s", (kind) => {
    const cases = recorded.filter((one) => one.kind === kind)
    expect(cases.length).toBeGreaterThan(0)
    for (const one of cases) expect(alike(answer(one)), JSON.stringify(one)).toBe(alike(one.fabric))
  })
})

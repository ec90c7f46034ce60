/** Identities for policy tests: `name:A,B` is an identity called name that satisfies the principals A and B. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Either from "effect/Either"
import { parseCertificatePem } from "../../src/crypto/index.js"
import { type Identity, IdentityMalformed, PrincipalNotSatisfied } from "../../src/msp/index.js"
import type { IdentityDeserializer } from "../../src/policy/index.js"
import { toText } from "../../src/wire/bytes.js"
import type { common } from "../../src/wire/index.js"

/** A signature is good when it says so. */
const good = (signature: Uint8Array): boolean => toText(signature) === "good"

/** Any certificate will do: nothing here looks at it. */
const parsed = parseCertificatePem(
  readFileSync(
    new URL(
      "../vectors/chain-a/crypto-config/peerOrganizations/org1.example.com/ca/ca.org1.example.com-cert.pem",
      import.meta.url
    )
  )
)
if (parsed === undefined) throw new Error("the sample certificate is no PEM")
const certificate = Either.getOrThrow(parsed)

const rolesOf = new WeakMap<Identity, ReadonlySet<string>>()

const identity = (name: string, roles: string): Identity => {
  const made: Identity = {
    mspId: "M",
    certificate,
    serialized: Buffer.from(`${name}:${roles}`),
    id: createHash("sha256").update(name).digest("hex"),
    expiresAt: Number.POSITIVE_INFINITY,
    verify: (_, signature) => good(signature),
    verifyAsync: (_, signature) => Promise.resolve(good(signature)),
    signatureJob: () => undefined,
    checkSignature: () => Either.void
  }
  rolesOf.set(made, new Set(roles.split(",")))
  return made
}

export const fakeMsps: IdentityDeserializer = {
  deserializeIdentity: (serialized) => {
    const [name, roles] = toText(serialized).split(":", 2)
    return name === undefined || roles === undefined || name === "unknown"
      ? Either.left(new IdentityMalformed({ detail: "unknown" }))
      : Either.right(identity(name, roles))
  },
  satisfiesPrincipal: (identity: Identity, principal: common.MSPPrincipal) =>
    rolesOf.get(identity)?.has(toText(principal.principal)) === true
      ? Either.void
      : Either.left(new PrincipalNotSatisfied({ mspId: "M", detail: "no" }))
}

/** An identity for collection policies in tests: made by no MSP, accepted or not as the test says. */
import * as Either from "effect/Either"
import { encodeName, issueCertificate, spkiOf } from "../../../src/crypto/certificateWriter.js"
import { generateKey } from "../../../src/crypto/privateKey.js"
import { PrincipalNotSatisfied } from "../../../src/msp/index.js"
import type { IdentityDeserializer } from "../../../src/policy/index.js"

/** Everyone deserializes to one identity whose signatures hold; whether it is a member is asked each time. */
export const deserializerOf = (isMember: () => boolean): IdentityDeserializer => {
  const key = generateKey()
  const name = encodeName([[{ oid: "2.5.4.3", value: "someone" }]])
  const certificate = issueCertificate(
    {
      serialNumber: Uint8Array.of(1),
      issuer: name,
      subject: name,
      notBefore: Date.now() - 1_000,
      notAfter: Date.now() + 3_600_000,
      spki: spkiOf(key),
      extensions: []
    },
    key
  )
  const identity = {
    mspId: "Org1MSP",
    certificate,
    serialized: new Uint8Array(0),
    id: "someone",
    expiresAt: Date.now() + 3_600_000,
    verify: () => true,
    verifyAsync: () => Promise.resolve(true),
    checkSignature: () => Either.right(undefined)
  }
  return {
    deserializeIdentity: () => Either.right(identity),
    satisfiesPrincipal: () =>
      isMember()
        ? Either.right(undefined)
        : Either.left(new PrincipalNotSatisfied({ mspId: "Org1MSP", detail: "not a member" }))
  }
}

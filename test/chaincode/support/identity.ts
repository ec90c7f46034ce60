/** An identity for collection policies in tests: made by no MSP, accepted or not as the test says. */
import * as Either from "effect/Either"
import { encodeName, issueCertificate, spkiOf } from "../../../src/crypto/certificateWriter.js"
import { encodePem } from "../../../src/crypto/pem.js"
import { generateKey } from "../../../src/crypto/privateKey.js"
import { PrincipalNotSatisfied } from "../../../src/msp/index.js"
import type { IdentityDeserializer } from "../../../src/policy/index.js"
import { msp } from "../../../src/wire/index.js"

const issue = () => {
  const key = generateKey()
  const name = encodeName([[{ oid: "2.5.4.3", value: "someone" }]])
  return issueCertificate(
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
}

/** A creator that chaincode can read: a SerializedIdentity with a certificate. */
export const makeCreator = (): Uint8Array =>
  msp.SerializedIdentity.encode({ mspid: "Org1MSP", idBytes: encodePem("CERTIFICATE", issue().der) })

/** Everyone deserializes to one identity whose signatures hold; whether it is a member is asked each time. */
export const deserializerOf = (isMember: () => boolean): IdentityDeserializer => {
  const certificate = issue()
  const identity = {
    mspId: "Org1MSP",
    certificate,
    serialized: new Uint8Array(0),
    id: "someone",
    expiresAt: Date.now() + 3_600_000,
    verify: () => true,
    verifyAsync: () => Promise.resolve(true),
    signatureJob: () => undefined,
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

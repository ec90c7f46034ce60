/** Why a config update is refused: elements, policies, signers. */
import { describe, expect, it } from "vitest"
import { configUpdateLines, explainConfigUpdate } from "../../src/channelconfig/index.js"
import { configUpdateEnvelope } from "../../src/client/index.js"
import type { Signer } from "../../src/msp/index.js"
import { common } from "../../src/wire/index.js"
import { bytesOf, firstBundle, person } from "../peer/support.js"

const anchors = () =>
  common.ConfigUpdateEnvelope.decode(common.Payload.decode(common.Envelope.decode(bytesOf("anchors1.tx")).payload).data)
    .configUpdate
let counter = 0
const moment = () => ({ now: 1, nonce: Buffer.from(`config ${counter++}`.padEnd(24)) })
const signed = (signers: ReadonlyArray<Signer>, sender: Signer, update = anchors()) =>
  common.Envelope.decode(configUpdateEnvelope("mychannel", update, signers, sender, moment))

describe("a config update", () => {
  it("that is signed as it must be has nothing to explain", async () => {
    const admin = await person("Org1MSP", "Admin")
    expect(explainConfigUpdate(firstBundle(), signed([admin], admin))).toEqual({ reason: undefined, policies: [] })
  })
  it("of the wrong people: the element, its policy, what each signer lacks", async () => {
    const other = await person("Org2MSP", "Admin")
    const user = await person("Org1MSP", "User1")
    const lines = configUpdateLines(explainConfigUpdate(firstBundle(), signed([other, user], user)))
    expect(lines).toEqual([
      expect.stringMatching(
        /^error authorizing update: error validating DeltaSet: policy for \[Group\] .* not satisfied: /
      ),
      expect.stringMatching(/^policy for \[Group\] +\/Channel\/Application\/Org1MSP is not satisfied:$/),
      expect.stringMatching(/^ {2}FAILED \/Channel\/Application\/Org1MSP\/Admins: OR\('Org1MSP\.admin'\) /),
      expect.stringMatching(/^ {4}FAILED 'Org1MSP\.admin' - signer 0: .*Org2MSP.*; signer 1: /),
      expect.stringMatching(/^ {2}signer 0: Org2MSP .*CN=Admin@org2\.example\.com/),
      expect.stringMatching(/^ {2}signer 1: Org1MSP .*CN=User1@org1\.example\.com/)
    ])
  })
  it("that nobody signed", async () => {
    const admin = await person("Org1MSP", "Admin")
    const { policies } = explainConfigUpdate(firstBundle(), signed([], admin))
    expect(policies.map(({ explanation }) => explanation.signers)).toEqual([[]])
  })
  it("sent by somebody who may not write", async () => {
    const admin = await person("Org1MSP", "Admin")
    const stranger = await person("OrdererMSP", "Admin")
    const envelope = signed([admin], admin)
    const forged = { ...envelope, signature: stranger.sign(envelope.payload) }
    const { policies, reason } = explainConfigUpdate(firstBundle(), common.Envelope.create(forged))
    expect(reason).toBeUndefined()
    expect(policies).toMatchObject([
      { element: "the envelope", explanation: { finding: { path: "/Channel/Writers", satisfied: false } } }
    ])
    expect(policies[0]?.explanation.signers).toMatchObject([{ mspId: "Org1MSP", signature: false }])
  })
  it("that is none", () => {
    const { policies, reason } = explainConfigUpdate(firstBundle(), common.Envelope.create({}))
    expect(reason).toBe("error converting envelope to config update: envelope must have a Header")
    expect(policies.map(({ element }) => element)).toEqual(["the envelope"])
  })
})

import * as Either from "effect/Either"
import { beforeAll, describe, expect, test } from "vitest"
import { Bundle } from "../../src/channelconfig/index.js"
import type { Signer } from "../../src/msp/index.js"
import { AclChecker } from "../../src/peer/acl/AclChecker.js"
import { signedDataOf } from "../../src/peer/acl/evidence.js"
import { localAdmins, localMembers, PolicyChecker } from "../../src/peer/acl/PolicyChecker.js"
import { common, protos } from "../../src/wire/index.js"
import { bytesOf, firstBundle, mspOf, nodeFolder, outcome, person, signedProposal } from "./support.js"

const bundle = firstBundle()
const bundleOf = (channel: string) => (channel === "mychannel" ? bundle : undefined)
let acl: AclChecker
let admin: Signer
let user: Signer
let stranger: Signer

beforeAll(async () => {
  const { msp } = await mspOf("Org1MSP", `${nodeFolder("Org1MSP", "peer0")}/msp`)
  acl = new AclChecker(bundleOf, new PolicyChecker(bundleOf, msp))
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
  stranger = await person("OrdererMSP", "Admin")
})

const callOf = (signer: Signer, channelId = "mychannel") =>
  signedProposal({ channelId, chaincode: "sink", args: ["x"], signer })
const dataOf = (signer: Signer) => Either.getOrThrow(signedDataOf(callOf(signer)))

describe("resources of a channel", () => {
  test("members read and propose", () => {
    expect(outcome(acl.checkProposal("qscc/GetChainInfo", "mychannel", callOf(user)))).toBe("ok")
    expect(outcome(acl.checkProposal("peer/Propose", "mychannel", callOf(user)))).toBe("ok")
  })
  test("others are refused in the words of the built-in table", () => {
    expect(outcome(acl.checkProposal("qscc/GetChainInfo", "mychannel", callOf(stranger)))).toBe(
      "Failed evaluating policy on signed data during check policy on channel [mychannel] with policy [/Channel/Application/Readers]: [implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Readers' sub-policies to be satisfied]"
    )
  })
  test("a bad signature counts as none", () => {
    const good = callOf(user)
    const bad = protos.SignedProposal.create({ ...good, signature: callOf(user).signature })
    expect(outcome(acl.checkProposal("peer/Propose", "mychannel", bad))).toMatch(/^Failed evaluating policy/)
  })
  test("an unmapped resource", () => {
    expect(outcome(acl.checkProposal("qscc/Nonsense", "mychannel", callOf(admin)))).toBe(
      "Unmapped policy for qscc/Nonsense"
    )
    expect(outcome(acl.checkProposal("lscc/Deploy", "mychannel", callOf(admin)))).toBe(
      "Unmapped policy for lscc/Deploy"
    )
  })
  test("an unknown channel, and none", () => {
    expect(outcome(acl.checkProposal("qscc/GetChainInfo", "other", callOf(user)))).toBe(
      "Failed to get policy manager for channel [other]"
    )
    expect(outcome(acl.checkProposal("qscc/GetChainInfo", "", callOf(user)))).toBe(
      "Failed getting local MSP principal during channelless check policy with policy [/Channel/Application/Readers]: [MSP Principal role [/Channel/Application/Readers] not recognized]"
    )
  })
  test("bytes that are no proposal", () => {
    const broken = protos.SignedProposal.create({ proposalBytes: Uint8Array.of(0xff) })
    expect(outcome(acl.checkProposal("peer/Propose", "mychannel", broken))).toMatch(
      /^Failing extracting proposal during check policy on channel \[mychannel\] with policy \[\/Channel\/Application\/Writers\]: \[/
    )
  })
  test("what the configuration chose has its own words", () => {
    const after = common.Config.decode(bytesOf("config/acl.after.pb"))
    const configured = Either.getOrThrow(Bundle.fromConfig("mychannel", after))
    const [resource, policy] = [...(configured.application?.acls ?? [])][0] ?? ["", ""]
    expect(resource).not.toBe("")
    const checker = new AclChecker(
      () => configured,
      new PolicyChecker(() => configured, configured.mspManager.msps.get("Org1MSP") ?? expect.fail("no MSP"))
    )
    expect(outcome(checker.check(resource, "mychannel", dataOf(stranger)))).toMatch(
      `failed evaluating policy on signed data during check policy [${policy}]: [`
    )
    expect(outcome(checker.check(resource, "mychannel", dataOf(admin)))).toContain("1 sub-policies were satisfied")
  })
})

describe("roles in the peer's own organization", () => {
  test("admins and members", () => {
    expect(outcome(acl.checkLocal(localAdmins, dataOf(admin)))).toBe("ok")
    expect(outcome(acl.checkLocal(localMembers, dataOf(user)))).toBe("ok")
    expect(outcome(acl.checkLocal(localAdmins, dataOf(user)))).toMatch(
      /^Failed verifying that proposal's creator satisfies local MSP principal during channelless check policy with policy \[Admins\]: \[/
    )
  })
  test("another organization's admin is nobody here", () => {
    expect(outcome(acl.checkLocal(localMembers, dataOf(stranger)))).toMatch(
      /^Failed deserializing proposal creator during channelless check policy with policy \[Members\]: \[/
    )
  })
  test("a good identity with somebody else's signature", () => {
    expect(outcome(acl.checkLocal(localAdmins, { ...dataOf(admin), signature: dataOf(user).signature }))).toBe(
      "The signature is invalid"
    )
  })
})

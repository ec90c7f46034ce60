/** The endorsing peers of a channel in a connection profile. Source: peer/common/networkconfig.go, peer/chaincode/common.go. */
import * as Either from "effect/Either"
import { type Given, parseYaml, type Tree } from "../../../config/index.js"

export interface ProfilePeer {
  readonly address: string
  readonly rootFile: string
}

const mapOf = (given: Given | undefined): Tree => (given?.kind === "map" ? given.entries : new Map())
const at = (tree: Tree, ...path: ReadonlyArray<string>): Given | undefined => {
  let found: Given | undefined = { kind: "map", entries: tree }
  for (const key of path) found = mapOf(found).get(key)?.value
  return found
}
const textOf = (given: Given | undefined): string =>
  given?.kind === "text" ? given.text : given?.kind === "scalar" ? given.source : ""

/** In: the profile's text. Out: undefined when the profile has no peers for the channel: the flags count then. */
export const endorsingPeers = (
  text: string,
  channelId: string
): Either.Either<ReadonlyArray<ProfilePeer> | undefined, string> =>
  Either.gen(function* () {
    const tree = yield* Either.mapLeft(parseYaml(text, ""), ({ reason }) => `error unmarshaling YAML: ${reason}`)
    const members = mapOf(at(tree, "channels", channelId, "peers"))
    if (members.size === 0) return undefined
    const peers: Array<ProfilePeer> = []
    for (const [name, { value }] of members) {
      const endorsing = at(mapOf(value), "endorsingPeer")
      if (endorsing?.kind !== "scalar" || endorsing.value !== true) continue
      const peer = at(tree, "peers", name)
      if (peer === undefined)
        return yield* Either.left(
          `peer '${name}' is defined in the channel config but doesn't have associated peer config`
        )
      const address = textOf(at(mapOf(peer), "url")).replace(/^grpcs?:\/\//, "")
      peers.push({ address, rootFile: textOf(at(mapOf(peer), "tlsCACerts", "path")) })
    }
    return peers
  })

/**
 * Endorsement plugins: who signs a proposal's result, chosen by the name that the chaincode's definition carries
 * (`escc`). One instance per name and channel, made when first needed.
 * Source: peer-endorse-validate.md 2.6, 3.4 rule 17; core/endorser/plugin_endorser.go, DefaultEndorsement.
 */
import * as Effect from "effect/Effect"
import type { Signer } from "../../msp/index.js"
import { isSuccess } from "../../runtime/eager.js"
import { protos } from "../../wire/index.js"
import { concatBytes } from "../../wire/protoutil.js"
import { EndorsementFailed } from "../errors.js"

export interface Endorsed {
  readonly endorsement: protos.Endorsement
  /** What was signed; a plugin may have changed it. */
  readonly payload: Uint8Array
}

export interface EndorsementPlugin {
  readonly endorse: (
    payload: Uint8Array,
    signed: protos.SignedProposal
  ) => Effect.Effect<Endorsed, { readonly message: string }>
}

/** Makes the plugin of a channel. */
export type EndorsementPluginFactory = (channel: string) => EndorsementPlugin

/** Signs payload and own identity, joined, with the peer's key. In line, when called: a hop to the thread pool costs more. */
export const defaultEndorsement =
  (signer: Signer): EndorsementPluginFactory =>
  () => ({
    endorse: (payload) =>
      Effect.succeed({
        endorsement: protos.Endorsement.create({
          endorser: signer.serialized,
          signature: signer.sign(concatBytes(payload, signer.serialized))
        }),
        payload
      })
  })

/** The node's endorsement plugins. */
export class PluginEndorser {
  private readonly instances = new Map<string, Map<string, EndorsementPlugin>>()

  constructor(private readonly factories: ReadonlyMap<string, EndorsementPluginFactory>) {}

  /** Endorses by the plugin of that name on that channel. */
  endorse(
    plugin: string,
    channel: string,
    payload: Uint8Array,
    signed: protos.SignedProposal
  ): Effect.Effect<Endorsed, EndorsementFailed> {
    const instance = this.instance(plugin, channel)
    if (instance === undefined)
      return new EndorsementFailed({
        reason: `plugin with name ${plugin} could not be used: plugin with name ${plugin} wasn't found`
      })
    const endorsed = instance.endorse(payload, signed)
    return isSuccess(endorsed)
      ? endorsed
      : Effect.mapError(endorsed, (cause) => new EndorsementFailed({ reason: cause.message, cause }))
  }

  private instance(plugin: string, channel: string): EndorsementPlugin | undefined {
    const factory = this.factories.get(plugin)
    if (factory === undefined) return undefined
    const byChannel = this.instances.get(plugin) ?? new Map<string, EndorsementPlugin>()
    this.instances.set(plugin, byChannel)
    const known = byChannel.get(channel)
    if (known !== undefined) return known
    const made = factory(channel)
    byChannel.set(channel, made)
    return made
  }
}

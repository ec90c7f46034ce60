/**
 * Decorators add to what a chaincode gets with its input; what a client put there is thrown away before they run.
 * Source: peer-endorse-validate.md 2.6; core/handlers/decoration.
 */
import type { protos } from "../../wire/index.js"

/** In: the proposal and what earlier decorators added. Out: what goes on to the next, or to the chaincode. */
export type Decorator = (
  proposal: protos.Proposal,
  decorations: ReadonlyMap<string, Uint8Array>
) => ReadonlyMap<string, Uint8Array>

/** Adds nothing. */
export const defaultDecorator: Decorator = (_, decorations) => decorations

const none: ReadonlyMap<string, Uint8Array> = new Map()

/** Runs all decorators in their order. */
export const decorate = (
  decorators: ReadonlyArray<Decorator>,
  proposal: protos.Proposal
): ReadonlyMap<string, Uint8Array> =>
  decorators.reduce((decorations, decorator) => decorator(proposal, decorations), none)

/** The decorators that the configuration may name. */
export const builtinDecorators: ReadonlyMap<string, Decorator> = new Map([["DefaultDecorator", defaultDecorator]])

/**
 * A channel's policies by path: a tree that mirrors the configuration's groups (identity-policy-config rules 55 to 56a;
 * common/policies/policy.go). Immutable once built.
 */
import * as Either from "effect/Either"
import { common } from "../wire/index.js"
import { fromEnvelopeBytes } from "./cauthdsl.js"
import { NoSuchPolicy, PolicyMalformed } from "./errors.js"
import { implicitMeta } from "./implicitMeta.js"
import type { IdentityDeserializer, Policy, PreparedPolicy } from "./Policy.js"

/** The policy behind a name that leads nowhere: it refuses everything. */
const reject = (name: string): PreparedPolicy => ({
  holds: () => false,
  mark: () => {},
  evaluate: () => Either.left(new NoSuchPolicy({ name })),
  verifications: () => []
})

export class PolicyManager {
  private constructor(
    /** The group's path without the leading slash, such as `Channel/Application`. */
    readonly path: string,
    private readonly policies: ReadonlyMap<string, PreparedPolicy>,
    private readonly managers: ReadonlyMap<string, PolicyManager>
  ) {}

  /** An empty manager, in which every lookup misses. */
  static empty(path: string): PolicyManager {
    return new PolicyManager(path, new Map(), new Map())
  }

  /**
   * Compiles all policies of a group and its sub-groups.
   * In: the group's path (`Channel` for the root), the group, and the MSPs that judge its principals.
   * Errors: a policy without content, of an unknown type, or one that does not compile, named with its path.
   */
  static make(
    path: string,
    group: common.ConfigGroup,
    deserializer: IdentityDeserializer
  ): Either.Either<PolicyManager, PolicyMalformed> {
    const managers = new Map<string, PolicyManager>()
    for (const [name, subGroup] of group.groups) {
      const manager = PolicyManager.make(`${path}/${name}`, subGroup, deserializer)
      if (Either.isLeft(manager)) return manager
      managers.set(name, manager.right)
    }
    const policies = new Map<string, PreparedPolicy>()
    for (const [name, { policy }] of group.policies) {
      const at = `policy ${name} at path ${path}`
      if (policy === undefined) return malformed(`${at} was nil`)
      if (policy.type === common.Policy_PolicyType.IMPLICIT_META) {
        const compiled = compileImplicitMeta(policy.value, managers, deserializer)
        if (Either.isLeft(compiled)) return malformed(`implicit ${at} did not compile: ${compiled.left.message}`)
        policies.set(name, compiled.right)
      } else if (policy.type === common.Policy_PolicyType.SIGNATURE) {
        const compiled = fromEnvelopeBytes(policy.value, deserializer)
        if (Either.isLeft(compiled)) return malformed(`${at} did not compile: ${compiled.left.message}`)
        policies.set(name, compiled.right)
      } else {
        return malformed(`${at} has unknown policy type: ${policy.type}`)
      }
    }
    for (const [name, manager] of managers) {
      for (const [subName, policy] of manager.policies) policies.set(`${name}/${subName}`, policy)
    }
    return Either.right(new PolicyManager(path, policies, managers))
  }

  /**
   * The policy of that name: absolute (`/Channel/Application/Readers`) or relative to this group (`Application/Readers`).
   * A name that leads nowhere gives a policy that refuses everything; `has` tells.
   */
  getPolicy(name: string): Policy {
    return this.prepared(name)
  }

  /** Whether `getPolicy` finds a policy under that name. */
  has(name: string): boolean {
    const relative = this.relative(name)
    return relative !== undefined && this.policies.has(relative)
  }

  /** The manager of a sub-group, by the group names on the way; `undefined` exactly when there is no such group. */
  manager(groups: ReadonlyArray<string>): PolicyManager | undefined {
    let manager: PolicyManager | undefined = this
    for (const name of groups) manager = manager?.managers.get(name)
    return manager
  }

  /** The managers of the groups right below, in the order that implicit meta policies count them. */
  get groups(): ReadonlyArray<PolicyManager> {
    return [...this.managers.values()]
  }

  /** The group that a policy's name leads to, and its name there; for reports. Leads nowhere: this group, the whole name. */
  locate(name: string): { readonly group: PolicyManager; readonly last: string } {
    const relative = this.relative(name) ?? name
    const names = relative.split("/")
    const last = names.pop() ?? ""
    const group = this.manager(names)
    return group === undefined ? { group: this, last: relative } : { group, last }
  }

  /** Names of the policies of this group and, with their path, of the groups below. */
  get names(): ReadonlyArray<string> {
    return [...this.policies.keys()]
  }

  /** As `getPolicy`, in the form that implicit meta policies combine. */
  prepared(name: string): PreparedPolicy {
    const relative = this.relative(name)
    return relative === undefined ? reject(name) : (this.policies.get(relative) ?? reject(relative))
  }

  /**
   * Cuts this manager's path off an absolute name by length: the separator is not looked at, so `/Channel.Admins` is
   * `/Channel/Admins` (trap 15). The bare path, on which the reference crashes, finds nothing.
   */
  private relative(name: string): string | undefined {
    if (name === "") return undefined
    if (!name.startsWith("/")) return name
    if (!name.startsWith(`/${this.path}`)) return undefined
    // The reference cuts bytes; the character at the cut may be longer than one.
    const bytes = Buffer.from(name, "utf8")
    const at = Buffer.byteLength(this.path) + 2
    return at > bytes.length ? undefined : bytes.subarray(at).toString("utf8")
  }
}

const malformed = (detail: string) => Either.left(new PolicyMalformed({ detail }))

const compileImplicitMeta = (
  value: Uint8Array,
  managers: ReadonlyMap<string, PolicyManager>,
  deserializer: IdentityDeserializer
): Either.Either<PreparedPolicy, PolicyMalformed> => {
  let definition: common.ImplicitMetaPolicy
  try {
    definition = common.ImplicitMetaPolicy.decode(value)
  } catch (error) {
    return malformed(
      `Error unmarshaling to ImplicitMetaPolicy: ${error instanceof Error ? error.message : String(error)}`
    )
  }
  const subPolicies = [...managers.values()].map((manager) => manager.prepared(definition.subPolicy))
  return Either.right(implicitMeta(definition, subPolicies, deserializer))
}

/**
 * Verdicts on who may ask, kept per channel until its configuration changes: a client asks the same signed question again
 * and again. Refusals are kept too (trap 27). Source: gossip-discovery.md 3.12 rule 3; discovery/authcache.go.
 */
import type * as Either from "effect/Either"
import type { SignedData } from "../policy/index.js"
import { sha256, toHex } from "../wire/bytes.js"

export interface AuthCacheSettings {
  readonly enabled: boolean
  /** Verdicts of one channel. */
  readonly maxSize: number
  /** Part of them that is kept when there are too many. */
  readonly retentionRatio: number
}

interface Refused {
  readonly message: string
}
type Verdict = Either.Either<void, Refused>

interface Entries {
  sequence: bigint
  readonly verdicts: Map<string, Verdict>
}

/** Lengths go in front: three fields joined must not look like three others. */
const keyOf = ({ data, identity, signature }: SignedData): string => {
  const length = (bytes: Uint8Array): Uint8Array => {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(bytes.length)
    return head
  }
  return toHex(sha256(length(data), data, length(identity), identity, length(signature), signature))
}

export class AuthCache {
  private readonly channels = new Map<string, Entries>()

  constructor(
    private readonly settings: AuthCacheSettings,
    private readonly sequenceOf: (channelId: string) => bigint,
    private readonly judge: (channelId: string, data: SignedData) => Verdict
  ) {}

  /** The verdict, from memory where it is there. Only channels that exist may be asked about: each takes room. */
  eligible(channelId: string, data: SignedData): Verdict {
    if (!this.settings.enabled) return this.judge(channelId, data)
    const sequence = this.sequenceOf(channelId)
    const known = this.channels.get(channelId)
    const entries = known ?? { sequence, verdicts: new Map<string, Verdict>() }
    if (known === undefined) this.channels.set(channelId, entries)
    if (entries.sequence !== sequence) {
      entries.sequence = sequence
      entries.verdicts.clear()
    }
    const key = keyOf(data)
    const found = entries.verdicts.get(key)
    if (found !== undefined) return found
    this.makeRoom(entries.verdicts)
    const verdict = this.judge(channelId, data)
    // the configuration may have changed meanwhile: such a verdict is given, not kept
    if (this.sequenceOf(channelId) === sequence) entries.verdicts.set(key, verdict)
    return verdict
  }

  private makeRoom(verdicts: Map<string, Verdict>): void {
    const { maxSize, retentionRatio } = this.settings
    if (verdicts.size + 1 <= maxSize) return
    let leaving = Math.max(1, maxSize - Math.floor(retentionRatio * maxSize))
    for (const key of verdicts.keys()) {
      if (leaving-- <= 0) return
      verdicts.delete(key)
    }
  }
}

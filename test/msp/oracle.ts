/**
 * The reference's side of the verdicts. An oracle is a program around Go's msp package that reads one JSON question a line
 * and answers one JSON object a line ({ Setup, Identities: [{ Deserialize, Id, Serialized, Validate, Principals, Verify,
 * Units }] }, an empty text meaning success). FABRIC_MSP_ORACLE names it; without it only the recorded answers are used.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import type { MspVersion } from "../../src/msp/index.js"
import { msp } from "../../src/wire/index.js"
import type { Case } from "./cases.js"

export interface IdentityAnswer {
  readonly Deserialize: string
  readonly Id?: string
  readonly Serialized?: string
  readonly Validate?: string
  readonly Principals?: ReadonlyArray<string> | null
  readonly Verify?: string
  readonly Units?: ReadonlyArray<string> | null
}

export interface Answer {
  readonly Setup: string
  readonly Identities?: ReadonlyArray<IdentityAnswer> | null
  /** For the questions about single encodings. */
  readonly Result?: string
}

const VERSIONS: ReadonlyArray<MspVersion> = ["1.0", "1.1", "1.3", "1.4.3"]

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")

export const question = (one: Case): object => ({
  Op: "msp",
  Config: base64(msp.FabricMSPConfig.encode(one.config)),
  Version: VERSIONS.indexOf(one.version),
  Identities: one.identities.map(base64),
  Messages: one.messages.map(base64),
  Signatures: one.signatures.map(base64),
  Principals: one.principals.map((principal) => ({
    Kind: principal.principalClassification,
    Data: base64(principal.principal)
  }))
})

export class Oracle {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  constructor(path: string) {
    this.#process = spawn(path)
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  async ask(asked: object): Promise<Answer> {
    this.#process.stdin.write(`${JSON.stringify(asked)}\n`)
    const line = await this.#lines.next()
    if (line.done === true) throw new Error("the oracle ended")
    const answer: Answer = JSON.parse(line.value)
    return answer
  }

  close(): void {
    this.#process.kill()
  }
}

/** Thrown inside the parsers of this folder and turned into a value at their edge; never leaves it. */
export class Malformed extends Error {}

/** Fails the parse with this text. */
export const malformed = (detail: string): never => {
  throw new Malformed(detail)
}

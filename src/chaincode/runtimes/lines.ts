/** What chaincode prints, line by line; nothing grows without bound, whatever comes. */

/** Cuts a text into lines; longer ones come in pieces of `limit` characters. Call `end` for what is left. */
export class Lines {
  private rest = ""
  constructor(
    private readonly line: (text: string) => void,
    private readonly limit: number = 16 * 1024
  ) {}
  readonly add = (text: string): void => {
    const lines = (this.rest + text).split("\n")
    this.rest = lines.pop() ?? ""
    for (const whole of lines) this.line(whole.endsWith("\r") ? whole.slice(0, -1) : whole)
    while (this.rest.length > this.limit) {
      this.line(this.rest.slice(0, this.limit))
      this.rest = this.rest.slice(this.limit)
    }
  }
  readonly end = (): void => {
    if (this.rest !== "") this.line(this.rest)
    this.rest = ""
  }
}

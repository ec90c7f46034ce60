// The peer as a process of its own, from the sources: joined into one file by process.ts.
import { main } from "../../../src/peer/main.js"

const [, , ...argv] = process.argv
const options = {
  argv,
  env: process.env,
  cwd: process.cwd(),
  stdout: (data: Uint8Array | string) => void process.stdout.write(data),
  stderr: (text: string) => void process.stderr.write(text),
  kill: (code: number) => process.exit(code),
  running: () => void process.stdout.write("running\n")
}
process.exit(await main(options))

// The orderer as a process of its own, from the sources: joined into one file.
import { main } from "../../../src/orderer/main.js"

const [, argv0 = "orderer", ...argv] = process.argv
const options = {
  argv,
  argv0,
  env: process.env,
  cwd: process.cwd(),
  stdout: (text: string) => void process.stdout.write(text),
  stderr: (text: string) => void process.stderr.write(text),
  kill: (code: number) => process.exit(code),
  running: () => void process.stdout.write("running\n")
}
process.exit(await main(options))

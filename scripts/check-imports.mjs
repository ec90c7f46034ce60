// Holds the import rules of the architecture: a folder of src imports from lower ranks only, and every third party has
// one home. Run by `npm run lint`; prints each break as file:line and exits 1.
import { readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative, resolve, sep } from "node:path"
import { fileURLToPath } from "node:url"

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..")
const src = join(root, "src")

const ranks = {
  wire: 0,
  crypto: 0,
  runtime: 0,
  config: 1,
  msp: 2,
  transport: 2,
  operations: 2,
  policy: 3,
  ledger: 3,
  channelconfig: 4,
  deliver: 5,
  chaincode: 5,
  client: 5,
  validation: 6,
  commit: 6,
  gossip: 7,
  discovery: 8,
  orderer: 9,
  peer: 9,
  tools: 10,
  network: 11
}

// Packages that may be imported only below the given folders of src.
const homes = {
  "@grpc/grpc-js": ["transport"],
  lmdb: ["ledger/lmdb"],
  koffi: ["ledger/lmdb"],
  kafkajs: ["orderer/consensus/kafka"],
  protobufjs: ["wire"],
  yaml: ["config"],
  dockerode: ["chaincode"],
  nano: ["ledger/couchdb"],
  "pouchdb-selector-core": ["ledger/mango"],
  "prom-client": ["runtime"],
  "@datadog/pprof": ["runtime"],
  "@effect/opentelemetry": ["runtime"],
  "@effect/platform": ["runtime"]
}

const files = (folder) =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? files(path) : path.endsWith(".ts") ? [path] : []
  })

const packageOf = (spec) =>
  spec
    .split("/")
    .slice(0, spec.startsWith("@") ? 2 : 1)
    .join("/")
const importLine = /(?:^|\s)(?:import|export)\s[^;]*?from\s+"([^"]+)"|import\(\s*"([^"]+)"\s*\)|^import\s+"([^"]+)"/gm

const faults = []
for (const file of files(src)) {
  const text = readFileSync(file, "utf8")
  const path = relative(src, file).split(sep).join("/")
  const folder = path.split("/")[0]
  const fault = (index, what) => faults.push(`src/${path}:${text.slice(0, index).split("\n").length}: ${what}`)
  if (!(folder in ranks)) fault(0, `folder ${folder} has no rank`)
  for (const match of text.matchAll(importLine)) {
    const spec = match[1] ?? match[2] ?? match[3]
    if (spec.startsWith(".")) {
      const target = relative(src, resolve(dirname(file), spec))
        .split(sep)
        .join("/")
      const other = target.split("/")[0]
      if (other === "..") fault(match.index, `imports ${spec} from outside src`)
      else if (other !== folder && ranks[other] >= ranks[folder])
        fault(match.index, `${folder} (rank ${ranks[folder]}) imports ${other} (rank ${ranks[other]})`)
    } else if (!spec.startsWith("node:")) {
      const home = homes[packageOf(spec)]
      if (home && !home.some((h) => path.startsWith(`${h}/`)))
        fault(match.index, `${packageOf(spec)} lives in src/${home.join(", src/")} only`)
      if (spec === "effect") fault(match.index, 'import Effect by path ("effect/Effect"), not by the barrel')
    }
  }
  const env = /process\.env/.exec(text)
  if (env && !/\/(?:main|network\/api)\.ts$/.test(`/${path}`))
    fault(env.index, "process.env is read in the launchers only")
  const exit = /process\.exit\(/.exec(text)
  if (exit) fault(exit.index, "process.exit belongs to the launchers")
}
if (faults.length > 0) {
  console.error(faults.join("\n"))
  console.error(`${faults.length} import rule(s) broken`)
  process.exit(1)
}
console.log("import rules hold")

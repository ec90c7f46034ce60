// Completes package-lock.json: a registry mirror that lacks the native packages of other platforms makes npm leave them
// out, and `npm ci` then refuses the lock. Run after every change of dependencies: node scripts/complete-lock.mjs
import { readFileSync, writeFileSync } from "node:fs"

const f = "package-lock.json"
const l = JSON.parse(readFileSync(f))
const osOf = {
  android: "android",
  darwin: "darwin",
  linux: "linux",
  win32: "win32",
  freebsd: "freebsd",
  netbsd: "netbsd",
  openbsd: "openbsd",
  sunos: "sunos",
  aix: "aix",
  openharmony: "openharmony"
}
let added = 0
for (const [where, p] of Object.entries(l.packages)) {
  if (p.resolved && /^https?:/.test(p.resolved)) delete p.resolved
  for (const [name, range] of Object.entries(p.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`
    if (l.packages[key] || l.packages[`${where}/node_modules/${name}`]) continue
    const version = range.replace(/^[\^~]/, "")
    const tail = name
      .split("/")
      .pop()
      .replace(/^(cli|rollup|lmdb|msgpackr-extract)-/, "")
    const os = Object.keys(osOf).find((o) => tail.split("-").includes(o))
    const cpu = ["x64", "arm64", "ia32", "arm", "ppc64", "s390x", "riscv64", "loong64", "mips64el", "wasm32"].find(
      (c) => tail.split("-").includes(c)
    )
    const libc = /musl/.test(tail) ? ["musl"] : /-(gnu|gnueabihf)$/.test(tail) ? ["glibc"] : undefined
    const cpu2 = cpu ?? (name === "fsevents" ? undefined : "none")
    l.packages[key] = {
      version,
      ...(cpu2 ? { cpu: [cpu2] } : {}),
      ...(p.dev ? { dev: true } : {}),
      ...(libc ? { libc } : {}),
      optional: true,
      os: [os ?? "darwin"]
    }
    added++
    console.log(name, version, os, cpu2, libc ?? "")
  }
}
l.packages = Object.fromEntries(Object.entries(l.packages).sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(f, `${JSON.stringify(l, null, 2)}\n`)
console.log("added", added)

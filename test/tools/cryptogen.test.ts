import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { connect, createServer, type TLSSocket } from "node:tls"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, describe, expect, it } from "vitest"
import { type Certificate, KeyUsage, parseCertificatePem } from "../../src/crypto/index.js"
import { loadLocalMsp, MspCollector, verifyingMspConfig } from "../../src/msp/index.js"
import { addressOctets } from "../../src/tools/cryptogen/authority.js"
import {
  type CryptoConfig,
  cryptogen,
  extend,
  generate,
  organizationSpec,
  parseCryptoConfig
} from "../../src/tools/cryptogen/index.js"
import { renderTemplate } from "../../src/tools/cryptogen/template.js"
import type { ToolIo } from "../../src/tools/ToolIo.js"
import { role } from "../msp/support.js"

const base = mkdtempSync(join(tmpdir(), "cryptogen-"))
afterAll(() => rmSync(base, { recursive: true }))
let count = 0
const fresh = (): string => join(base, `out${count++}`)

const chainA = fileURLToPath(new URL("../vectors/chain-a/", import.meta.url))
const chainAConfig = Either.getOrThrow(parseCryptoConfig(readFileSync(`${chainA}crypto-config.yaml`, "utf8")))

/** Every path below a folder, keys named SKI_sk, folders with a slash. */
const tree = (root: string): ReadonlyArray<string> => {
  const paths: Array<string> = []
  const walk = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      paths.push(relative(root, path).replace(/[0-9a-f]{64}_sk/, "SKI_sk") + (entry.isDirectory() ? "/" : ""))
      if (entry.isDirectory()) walk(path)
    }
  }
  walk(root)
  return paths.sort()
}

const read = (path: string): Certificate =>
  Either.getOrThrow(parseCertificatePem(readFileSync(path)) ?? Either.left(new Error("no PEM")))
const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(effect)
const refusal = async <A, E extends { readonly message: string }>(effect: Effect.Effect<A, E>) => {
  const result = await run(Effect.either(effect))
  return Either.isLeft(result) ? result.left.message : ""
}

/** What a certificate says apart from names, keys and times. */
const shape = (certificate: Certificate) => ({
  subject: certificate.subject.attributes,
  issuer: certificate.issuer.attributes,
  extensions: certificate.extensions.map(({ critical, oid, value }) =>
    // Key identifiers differ by key: only their length is of the shape.
    /2\.5\.29\.(14|35)$/.test(oid) ? [oid, critical, value.length] : [oid, critical, Buffer.from(value).toString("hex")]
  ),
  days: (certificate.notAfter - certificate.notBefore) / 86_400_000,
  wholeMinute: certificate.notBefore % 60_000,
  algorithm: certificate.signatureAlgorithm,
  version: certificate.version,
  curve: certificate.publicKey.kind === "ec" ? certificate.publicKey.curve.name : ""
})

describe("generate", () => {
  it("makes the tree and the certificates that Go made from the same file", async () => {
    const out = fresh()
    await run(generate(chainAConfig, out))
    const theirs = join(chainA, "crypto-config")
    // Git keeps no empty folders: the recorded tree lacks the empty admincerts of organizations with NodeOUs.
    const withoutEmpty = (paths: ReadonlyArray<string>) => paths.filter((path) => !path.endsWith("admincerts/"))
    expect(withoutEmpty(tree(out))).toEqual(withoutEmpty(tree(theirs)))
    for (const path of tree(theirs).filter((name) => /\.(pem|crt)$/.test(name))) {
      expect(shape(read(join(out, path))), path).toEqual(shape(read(join(theirs, path))))
    }
    for (const path of tree(theirs).filter((name) => name.endsWith("config.yaml"))) {
      expect(readFileSync(join(out, path), "utf8"), path).toBe(readFileSync(join(theirs, path), "utf8"))
    }
    for (const org of ["org1", "org2"]) {
      expect(existsSync(join(out, `peerOrganizations/${org}.example.com/msp/admincerts`))).toBe(true)
    }
  })

  it("writes keys that only their owner reads", async () => {
    const out = fresh()
    await run(generate(chainAConfig, out))
    for (const path of tree(out)) {
      if (!/(SKI_sk|\.key)$/.test(path) || path.includes("SKI")) continue
      expect(statSync(join(out, path)).mode & 0o777, path).toBe(0o600)
    }
    const ca = join(out, "peerOrganizations/org1.example.com/ca")
    const key = readdirSync(ca).find((name) => name.endsWith("_sk")) ?? ""
    expect(statSync(join(ca, key)).mode & 0o777).toBe(0o600)
    expect(statSync(join(ca, "ca.org1.example.com-cert.pem")).mode & 0o777).toBe(0o644)
  })

  it("makes MSPs that load, with the roles of NodeOUs and without", async () => {
    for (const nodeOus of [true, false]) {
      const out = fresh()
      const config: CryptoConfig = {
        ordererOrgs: [organizationSpec({ domain: "o.test", enableNodeOUs: nodeOus, template: one })],
        peerOrgs: [organizationSpec({ domain: "p.test", enableNodeOUs: nodeOus, template: one, users: { count: 1 } })]
      }
      const made = await run(generate(config, out))
      const collector = new MspCollector({ version: "1.4.3" })
      for (const organization of made) {
        expect(
          Either.isRight(
            collector.propose(Either.getOrThrow(verifyingMspConfig(organization.mspFolder, organization.domain)))
          )
        ).toBe(true)
        for (const member of [...organization.nodes, ...organization.users]) {
          const { msp, signer } = await run(
            loadLocalMsp({ dir: join(member.folder, "msp"), mspId: organization.domain })
          )
          const roles = (["MEMBER", "ADMIN", "CLIENT", "PEER", "ORDERER"] as const).filter((name) =>
            Either.isRight(msp.satisfiesPrincipal(signer.identity, role(name, organization.domain)))
          )
          const kind = member.name.startsWith("Admin")
            ? "ADMIN"
            : member.name.startsWith("User")
              ? "CLIENT"
              : organization.kind.toUpperCase()
          // Without NodeOUs a user stands among the admins of its own folder, as the reference leaves it.
          const admin = kind === "ADMIN" || kind === "CLIENT"
          expect(roles, member.name).toEqual(nodeOus ? ["MEMBER", kind] : admin ? ["MEMBER", "ADMIN"] : ["MEMBER"])
          const channelMsp = collector.manager().msps.get(organization.domain)
          if (channelMsp === undefined) throw new Error("no MSP")
          const identity = Either.getOrThrow(channelMsp.deserializeIdentity(signer.serialized))
          const verdict = channelMsp.satisfiesPrincipal(identity, role("ADMIN", organization.domain))
          expect(Either.isRight(verdict), member.name).toBe(kind === "ADMIN")
        }
      }
    }
  })

  it("makes TLS material that shakes hands, both ways authenticated", async () => {
    const out = fresh()
    const [organization] = await run(
      generate(
        {
          ordererOrgs: [],
          peerOrgs: [organizationSpec({ domain: "p.test", template: { ...one, sans: ["127.0.0.1"] } })]
        },
        out
      )
    )
    const node = organization?.nodes[0]?.folder ?? ""
    const user = organization?.users[0]?.folder ?? ""
    const roots = readFileSync(organization?.tlsCaFile ?? "")
    const tls = (folder: string, stem: string) => ({
      ca: roots,
      cert: readFileSync(join(folder, "tls", `${stem}.crt`)),
      key: readFileSync(join(folder, "tls", `${stem}.key`))
    })
    const server = createServer({ ...tls(node, "server"), requestCert: true, rejectUnauthorized: true }, (socket) =>
      socket.end("hello")
    )
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    for (const servername of ["peer0.p.test", "peer0"]) {
      const text = await new Promise<string>((resolve, reject) => {
        const socket: TLSSocket = connect({ host: "127.0.0.1", port, servername, ...tls(user, "client") })
        socket.on("error", reject)
        socket.on("data", (data) => resolve(data.toString()))
      })
      expect(text).toBe("hello")
    }
    server.close()
  })

  it("takes the place attributes, the CA's name and several units", async () => {
    const out = fresh()
    const text = `PeerOrgs:
  - Domain: p.test
    EnableNodeOUs: true
    CA: {Hostname: root, Country: DE, Province: Hessen, Locality: Frankfurt, OrganizationalUnit: Dept, StreetAddress: Main 1, PostalCode: 60311}
    Specs:
      - Hostname: a
        CommonName: "{{.Hostname}}-x.{{.Domain}}"
        SANS: ["{{.CommonName}}.alt", "::1", 10.0.0.1]
`
    await run(generate(Either.getOrThrow(parseCryptoConfig(text)), out))
    const org = join(out, "peerOrganizations/p.test")
    const attributes = (path: string) => read(join(org, path)).subject.attributes.map(({ value }) => value)
    expect(attributes("ca/root.p.test-cert.pem")).toEqual([
      "DE",
      "Hessen",
      "Frankfurt",
      "Main 1",
      "60311",
      "p.test",
      "Dept",
      "root.p.test"
    ])
    expect(attributes("tlsca/tlsroot.p.test-cert.pem")).toContain("tlsroot.p.test")
    const leaf = read(join(org, "peers/a-x.p.test/msp/signcerts/a-x.p.test-cert.pem"))
    expect([...leaf.ous].sort()).toEqual(["Dept", "peer"])
    const tls = read(join(org, "peers/a-x.p.test/tls/server.crt"))
    expect(tls.alternativeNames?.dns).toEqual(["a-x.p.test", "a", "a-x.p.test.alt"])
    expect(tls.alternativeNames?.ips.map((ip) => ip.length)).toEqual([16, 4])
    expect(tls.keyUsage).toBe(KeyUsage.digitalSignature | KeyUsage.keyEncipherment)
    const { msp, signer } = await run(loadLocalMsp({ dir: join(org, "peers/a-x.p.test/msp"), mspId: "P" }))
    expect(Either.isRight(msp.satisfiesPrincipal(signer.identity, role("PEER", "P")))).toBe(true)
  })

  it("uses existing CAs again, so that what is there still verifies, and keeps members", async () => {
    const out = fresh()
    await run(generate(chainAConfig, out))
    const before = readFileSync(
      join(out, "peerOrganizations/org1.example.com/peers/peer0.org1.example.com/tls/server.crt")
    )
    const reused: Array<string> = []
    const more: CryptoConfig = {
      ...chainAConfig,
      peerOrgs: chainAConfig.peerOrgs.map((org) => ({ ...org, template: { ...org.template, count: 3 } }))
    }
    const made = await run(generate(more, out, { onReuse: (folder) => reused.push(folder) }))
    expect(made.every((organization) => organization.reused)).toBe(true)
    expect(reused).toHaveLength(6)
    const org1 = join(out, "peerOrganizations/org1.example.com")
    expect(readFileSync(join(org1, "peers/peer0.org1.example.com/tls/server.crt")).equals(before)).toBe(true)
    await run(loadLocalMsp({ dir: join(org1, "peers/peer2.org1.example.com/msp"), mspId: "Org1MSP" }))
    expect(await refusal(Effect.sync(() => rmSync(join(org1, "ca", "ca.org1.example.com-cert.pem"))))).toBe("")
    expect(await refusal(generate(more, out))).toBe(
      `Error generating signCA for org org1.example.com:\nno certificate in ${join(org1, "ca")}`
    )
  })

  it("refuses names that are no folder names, templates it cannot read, and folders it cannot write", async () => {
    const peers = (spec: Parameters<typeof organizationSpec>[0]) =>
      generate({ ordererOrgs: [], peerOrgs: [organizationSpec(spec)] }, fresh())
    expect(await refusal(peers({ domain: "" }))).toMatch(/^Error processing peer configuration: domain "" cannot/)
    expect(await refusal(peers({ domain: ".." }))).toMatch(/cannot be the name of a folder/)
    expect(await refusal(peers({ domain: "p", template: { ...one, hostname: "../x" } }))).toMatch(
      /cannot be the name of a folder/
    )
    expect(await refusal(peers({ domain: "p", template: { ...one, hostname: "{{.Nope}}" } }))).toMatch(
      /can't evaluate field Nope/
    )
    expect(await refusal(peers({ domain: "p", template: { ...one, sans: ["ü"] } }))).toMatch(
      /cannot be encoded as an IA5String/
    )
    const file = join(base, "file")
    writeFileSync(file, "")
    expect(await refusal(generate(chainAConfig, file))).toMatch(
      /^Error generating signCA for org org1\.example\.com:\n/
    )
  })

  it("is quick: a network of one orderer, one peer, an admin and a user with TLS", async () => {
    const config: CryptoConfig = {
      ordererOrgs: [organizationSpec({ domain: "o.test", enableNodeOUs: true, template: one })],
      peerOrgs: [organizationSpec({ domain: "p.test", enableNodeOUs: true, template: one, users: { count: 1 } })]
    }
    await run(generate(config, fresh()))
    const times: Array<number> = []
    for (let i = 0; i < 5; i++) {
      const out = fresh()
      const start = performance.now()
      await run(generate(config, out))
      times.push(performance.now() - start)
    }
    expect(Math.min(...times)).toBeLessThan(100)
  })
})

const one = { count: 1, start: 0, hostname: "", sans: [] }

describe("extend", () => {
  it("adds hosts and users, makes missing organizations, and leaves the rest", async () => {
    const out = fresh()
    const first: CryptoConfig = {
      ordererOrgs: [organizationSpec({ domain: "o.test", template: one })],
      peerOrgs: [organizationSpec({ domain: "p.test", template: one, users: { count: 1 } })]
    }
    await run(generate(first, out))
    const before = tree(out)
    const second: CryptoConfig = {
      ordererOrgs: [organizationSpec({ domain: "o.test", template: { ...one, count: 2 } })],
      peerOrgs: [
        organizationSpec({ domain: "p.test", template: { ...one, count: 2 }, users: { count: 2 } }),
        organizationSpec({ domain: "q.test", template: one, enableNodeOUs: true })
      ]
    }
    await run(extend(second, out))
    const added = tree(out).filter((path) => !before.includes(path))
    const tops = new Set(added.map((path) => path.split("/").slice(0, 4).join("/")))
    expect([...tops].filter((path) => !path.includes("q.test"))).toEqual([
      "ordererOrganizations/o.test/orderers/orderer1.o.test",
      "peerOrganizations/p.test/peers/peer1.p.test",
      "peerOrganizations/p.test/users/User2@p.test"
    ])
    expect(added).toContain("ordererOrganizations/o.test/orderers/orderer1.o.test/msp/admincerts/Admin@o.test-cert.pem")
    expect(added).toContain("peerOrganizations/q.test/users/Admin@q.test/tls/client.key")
    for (const path of [
      "ordererOrganizations/o.test/orderers/orderer1.o.test",
      "peerOrganizations/p.test/peers/peer1.p.test"
    ]) {
      await run(loadLocalMsp({ dir: join(out, path, "msp"), mspId: "M" }))
    }
  })

  it("says what is missing of an organization that it should extend", async () => {
    const out = fresh()
    mkdirSync(join(out, "peerOrganizations/p.test"), { recursive: true })
    const config: CryptoConfig = { ordererOrgs: [], peerOrgs: [organizationSpec({ domain: "p.test", template: one })] }
    expect(await refusal(extend(config, out))).toMatch(/^Error loading signCA for org p\.test:\n/)
  })
})

describe("the program", () => {
  const program = async (argv: ReadonlyArray<string>, cwd = base) => {
    let stdout = ""
    let stderr = ""
    const io: ToolIo = {
      cwd,
      env: {},
      stdin: () => Promise.resolve(new Uint8Array()),
      stdout: (data) => {
        stdout += typeof data === "string" ? data : Buffer.from(data).toString()
      },
      stderr: (text) => {
        stderr += text
      }
    }
    const code = await run(cryptogen(argv, io))
    return { code, stdout, stderr }
  }

  it("refuses command lines with kingpin's texts", async () => {
    for (const [argv, text] of [
      [["bogus"], 'expected command but got "bogus"'],
      [["generate", "--bogus"], "unknown long flag '--bogus'"],
      [["--version"], "unknown long flag '--version'"],
      [["generate", "--config", "nofile"], "open nofile: no such file or directory"],
      [["generate", "extra"], "unexpected extra"],
      [["generate", "--output"], "expected argument for flag '--output'"],
      [["generate", "-x"], "unknown short flag '-x'"],
      [["generate", "--config", "a", "--config", "a"], "flag 'config' cannot be repeated"]
    ] as const) {
      expect(await program(argv)).toEqual({ code: 1, stdout: "", stderr: `cryptogen: error: ${text}, try --help\n` })
    }
  })

  it("shows kingpin's help", async () => {
    const generateHelp = `usage: cryptogen generate [<flags>]

Generate key material

Flags:
  --help                    Show context-sensitive help (also try --help-long
                            and --help-man).
  --output="crypto-config"  The output directory in which to place artifacts
  --config=CONFIG           The configuration template to use

`
    const help = `usage: cryptogen [<flags>] <command> [<args> ...]

Utility for generating Hyperledger Fabric key material

Flags:
  --help  Show context-sensitive help (also try --help-long and --help-man).

Commands:
  help [<command>...]
    Show help.

  generate [<flags>]
    Generate key material

  showtemplate
    Show the default configuration template

  version
    Show version information

  extend [<flags>]
    Extend existing network


`
    for (const argv of [[], ["--help"], ["help"]])
      expect(await program(argv)).toEqual({ code: 0, stdout: "", stderr: help })
    for (const argv of [
      ["generate", "--help"],
      ["help", "generate"]
    ]) {
      expect(await program(argv)).toEqual({ code: 0, stdout: "", stderr: generateHelp })
    }
    expect((await program(["--help-long"])).stdout).toContain('    --input="crypto-config"  The input directory')
    expect((await program(["--help-man"])).stdout).toMatch(/^\.TH cryptogen 1 {2}""\n/)
  })

  it("prints a template that it reads itself, and a version that scripts cut out", async () => {
    const { stdout } = await program(["showtemplate"])
    const config = Either.getOrThrow(parseCryptoConfig(stdout))
    expect(config.ordererOrgs.map((org) => [org.name, org.domain, org.specs.map(({ hostname }) => hostname)])).toEqual([
      ["Orderer", "example.com", ["orderer"]]
    ])
    expect(config.peerOrgs.map((org) => [org.domain, org.template.count, org.users.count])).toEqual([
      ["org1.example.com", 1, 1],
      ["org2.example.com", 1, 1]
    ])
    expect((await program(["version"])).stdout).toMatch(/^cryptogen:\n Version: 1\.4\.\d+\n/)
  })

  it("generates, names the peer organizations, and extends", async () => {
    const cwd = fresh()
    mkdirSync(cwd)
    expect(await program(["generate"], cwd)).toEqual({
      code: 0,
      stdout: "org1.example.com\norg2.example.com\n",
      stderr: ""
    })
    expect(
      existsSync(
        join(cwd, "crypto-config/ordererOrganizations/example.com/orderers/orderer.example.com/tls/server.key")
      )
    ).toBe(true)
    expect(await program(["extend"], cwd)).toEqual({ code: 0, stdout: "", stderr: "" })
    const again = await program(["generate"], cwd)
    expect([again.code, again.stderr.split("\n").length]).toEqual([0, 7])
    writeFileSync(join(cwd, "c.yaml"), "PeerOrgs:\n  - Domain: p.test\n    Template: {Count: 1}\n")
    expect(await program(["generate", "--config=c.yaml", "--output", "other"], cwd)).toMatchObject({
      code: 0,
      stdout: "p.test\n"
    })
    expect(existsSync(join(cwd, "other/peerOrganizations/p.test/peers/peer0.p.test/msp"))).toBe(true)
  })

  it("ends with 255 for a configuration that means nothing", async () => {
    const cwd = fresh()
    mkdirSync(cwd)
    const withConfig = (text: string) => {
      writeFileSync(join(cwd, "c.yaml"), text)
      return program(["generate", "--config", "c.yaml"], cwd)
    }
    expect(await withConfig("PeerOrgs:\n  - Domain: p\n    Template: {Count: many}\n")).toMatchObject({
      code: 255,
      stdout: expect.stringMatching(
        /^Error reading config: Error Unmarshaling YAML: .*line 3: PeerOrgs\[0\]\.Template\.Count must be a whole number$/s
      )
    })
    expect((await withConfig("a: [\n")).code).toBe(255)
    expect(await withConfig("PeerOrgs:\n  - Domain: p\n    Specs: [{Hostname: '{{'}]\n")).toMatchObject({ code: 0 })
    expect(await withConfig("PeerOrgs:\n  - Domain: q\n    Specs: [{Hostname: a, CommonName: '{{'}]\n")).toMatchObject({
      code: 255,
      stdout: expect.stringContaining("Error processing peer configuration: Error parsing template: ")
    })
    expect(await program(["generate", "--config", "."], cwd)).toMatchObject({
      code: 255,
      stdout: expect.stringContaining("is a directory")
    })
    writeFileSync(join(cwd, "blocked"), "")
    expect(await program(["generate", "--output", "blocked"], cwd)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^org1\.example\.com\nError generating signCA for org org1\.example\.com:\n/)
    })
    chmodSync(cwd, 0o755)
  })
})

describe("name templates", () => {
  const data = { Prefix: "peer", Index: 7, Domain: "d.test" }
  const rendered = (text: string) => Either.getOrElse(renderTemplate(text, data), (cause) => `! ${cause}`)

  it("do what Go's do", () => {
    expect(
      [
        "plain",
        "{{.Prefix}}{{.Index}}",
        "{{ .Prefix }}-{{- .Index -}} .{{/* note */}}x",
        '{{printf "%s%03d" .Prefix .Index}}',
        '{{.Index | printf "%02d.%d" 5 }}',
        '{{print .Prefix "-" .Index}}',
        '{{"a}}b"}}',
        "{{len .Prefix}}",
        '{{printf "%-4d|%x|%v|%%|%q" .Index 255 .Domain "z"}}'
      ].map(rendered)
    ).toEqual(["plain", "peer7", "peer-7.x", "peer007", "05.7", "peer-7", "a}}b", "4", '7   |ff|d.test|%|"z"'])
  })

  it("are refused with a reason", () => {
    for (const text of [
      "{{",
      "{{.Nope}}",
      "{{if .Index}}x{{end}}",
      "{{foo .Index}}",
      "{{}}",
      "{{.Index 5}}",
      "{{printf}}"
    ]) {
      expect(rendered(text), text).toMatch(/^! Error (parsing|executing) template: template: parse:1/)
    }
  })
})

describe("addresses", () => {
  it("are told from names as Go tells them", () => {
    const hex = (text: string) => {
      const octets = addressOctets(text)
      return octets === undefined ? undefined : Buffer.from(octets).toString("hex")
    }
    expect(["10.0.0.1", "::1", "fe80::1:2", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8", "64:ff9b::1.2.3.4"].map(hex)).toEqual([
      "0a000001",
      "00000000000000000000000000000001",
      "fe800000000000000000000000010002",
      "01020304",
      "00010002000300040005000600070008",
      "0064ff9b000000000000000001020304"
    ])
    expect(["host", "10.0.0", "01.2.3.4", "fe80::1%eth0", ""].map(hex)).toEqual(new Array(5).fill(undefined))
  })
})

/**
 * A network's keys and certificates on disk, in the reference's tree (sheet rules 93-95). Where an organization has its
 * CAs already, they are used again: making new ones, as the reference does, would leave every certificate that is there
 * without an issuer.
 */
import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { breathe } from "../../runtime/breathe.js"
import { type Authority, certificateFile, createAuthority, hasAuthority, loadAuthority } from "./authority.js"
import { type CryptoConfig, type NodeSpec, nodeSpec, type OrganizationSpec } from "./config.js"
import { type CryptoConfigInvalid, CryptogenFailed } from "./errors.js"
import { type Authorities, type NodeRole, writeLocalMsp, writeVerifyingMsp } from "./material.js"
import { type NodeKind, renderOrganization } from "./organization.js"

/** Folders of one node or user. */
export interface GeneratedMember {
  readonly name: string
  /** Has `msp` and `tls` in it. */
  readonly folder: string
}

/** What there is of one organization after a run: made now or before. */
export interface GeneratedOrganization {
  readonly kind: NodeKind
  readonly domain: string
  /** The verifying MSP. */
  readonly mspFolder: string
  /** PEM file of the TLS CA. */
  readonly tlsCaFile: string
  readonly nodes: ReadonlyArray<GeneratedMember>
  readonly users: ReadonlyArray<GeneratedMember>
  /** Whether the CAs were there before. */
  readonly reused: boolean
}

export interface GenerateOptions {
  /** Told of each organization before its material is made. */
  readonly onOrganization?: (kind: NodeKind, domain: string) => void
  /** Told of each existing CA that is used again. */
  readonly onReuse?: (folder: string) => void
}

export type GenerateError = CryptoConfigInvalid | CryptogenFailed

/** Makes everything that the configuration names under `output`. Existing CAs, nodes and users are left as they are. */
export const generate = (
  config: CryptoConfig,
  output: string,
  options: GenerateOptions = {}
): Effect.Effect<ReadonlyArray<GeneratedOrganization>, GenerateError> =>
  everyOrganization(config, output, options, "generate")

/**
 * Adds what the configuration names and the tree does not have yet. Organizations that are there keep their CAs and get
 * no new admin; others are made whole.
 */
export const extend = (
  config: CryptoConfig,
  input: string,
  options: GenerateOptions = {}
): Effect.Effect<ReadonlyArray<GeneratedOrganization>, GenerateError> =>
  everyOrganization(config, input, options, "extend")

type Mode = "generate" | "extend"

const everyOrganization = (config: CryptoConfig, root: string, options: GenerateOptions, mode: Mode) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const done: Array<GeneratedOrganization> = []
    for (const [kind, specs] of [
      ["peer", config.peerOrgs],
      ["orderer", config.ordererOrgs]
    ] as const) {
      for (const spec of specs) {
        const rendered = yield* renderOrganization(spec, kind)
        done.push(yield* new OrganizationRun(kind, rendered, root, now, options).run(mode))
        // Keys are made in line, a tenth of a millisecond each: let others run between organizations.
        yield* breathe
      }
    }
    return done
  })

const FOLDERS = {
  peer: { organizations: "peerOrganizations", nodes: "peers" },
  orderer: { organizations: "ordererOrganizations", nodes: "orderers" }
} as const

const causeOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** One organization's material. File errors become `CryptogenFailed` with the step they happened in. */
class OrganizationRun {
  readonly #folder: string
  readonly #nodes: string
  readonly #users: string
  readonly #admin: string
  #reused = false

  constructor(
    readonly kind: NodeKind,
    readonly spec: OrganizationSpec,
    root: string,
    readonly now: number,
    readonly options: GenerateOptions
  ) {
    this.#folder = join(root, FOLDERS[kind].organizations, spec.domain)
    this.#nodes = join(this.#folder, FOLDERS[kind].nodes)
    this.#users = join(this.#folder, "users")
    this.#admin = `Admin@${spec.domain}`
  }

  run(mode: Mode): Effect.Effect<GeneratedOrganization, CryptogenFailed> {
    return Effect.suspend(() => {
      const whole = mode === "generate" || !existsSync(this.#folder)
      if (whole) this.options.onOrganization?.(this.kind, this.spec.domain)
      return whole ? this.#whole() : this.#more()
    })
  }

  #whole(): Either.Either<GeneratedOrganization, CryptogenFailed> {
    const { domain, enableNodeOUs: nodeOus } = this.spec
    const run = this
    return Either.gen(function* () {
      const authorities = yield* run.#authorities(true)
      const mspFolder = join(run.#folder, "msp")
      yield* run.#step(`Error generating MSP for org ${domain}`, () =>
        writeVerifyingMsp(mspFolder, authorities, nodeOus)
      )
      yield* run.#members(run.#nodes, run.spec.specs, run.kind, authorities)
      yield* run.#members(
        run.#users,
        [...run.#userSpecs(), nodeSpec({ commonName: run.#admin })],
        "client",
        authorities
      )
      if (!nodeOus) {
        yield* run.#step(`Error copying admin cert for org ${domain}`, () =>
          run.#copyAdmin(join(mspFolder, "admincerts"))
        )
      }
      yield* run.#adminsOfNodes()
      return run.#report()
    })
  }

  #more(): Either.Either<GeneratedOrganization, CryptogenFailed> {
    const run = this
    return Either.gen(function* () {
      const authorities = yield* run.#authorities(false)
      yield* run.#members(run.#nodes, run.spec.specs, run.kind, authorities)
      yield* run.#adminsOfNodes()
      // Orderer organizations have no users but Admin.
      if (run.kind === "peer") yield* run.#members(run.#users, run.#userSpecs(), "client", authorities)
      return run.#report()
    })
  }

  #step<A>(step: string, make: () => A): Either.Either<A, CryptogenFailed> {
    return Either.try({ try: make, catch: (error) => new CryptogenFailed({ step, detail: causeOf(error) }) })
  }

  #authorities(mayCreate: boolean): Either.Either<Authorities, CryptogenFailed> {
    const name = this.spec.ca.commonName
    const run = this
    return Either.gen(function* () {
      const sign = yield* run.#authority("ca", name, "signCA", mayCreate)
      const tls = yield* run.#authority("tlsca", `tls${name}`, "tlsCA", mayCreate)
      return { sign, tls }
    })
  }

  #authority(
    folder: string,
    name: string,
    what: string,
    mayCreate: boolean
  ): Either.Either<Authority, CryptogenFailed> {
    const { ca, domain } = this.spec
    const path = join(this.#folder, folder)
    const step = `Error ${mayCreate ? "generating" : "loading"} ${what} for org ${domain}`
    if (mayCreate && !hasAuthority(path))
      return this.#step(step, () => createAuthority(path, name, domain, ca, this.now))
    this.#reused = true
    if (mayCreate) this.options.onReuse?.(path)
    return Either.mapLeft(loadAuthority(path, name, ca), (detail) => new CryptogenFailed({ step, detail }))
  }

  #userSpecs(): ReadonlyArray<NodeSpec> {
    const count = this.kind === "peer" ? this.spec.users.count : 0
    return Array.from({ length: Math.max(0, count) }, (_, i) =>
      nodeSpec({ commonName: `User${i + 1}@${this.spec.domain}` })
    )
  }

  #members(
    base: string,
    specs: ReadonlyArray<NodeSpec>,
    role: NodeRole,
    authorities: Authorities
  ): Either.Either<void, CryptogenFailed> {
    const nodeOus = this.spec.enableNodeOUs
    for (const { commonName: name, sans } of specs) {
      const folder = join(base, name)
      if (existsSync(folder)) continue
      const own = name === this.#admin && role === "client" && nodeOus ? "admin" : role
      const step = `Error generating local MSP for ${name}`
      const made = this.#step(step, () =>
        writeLocalMsp(folder, { name, sans, role: own, authorities, nodeOus, now: this.now })
      )
      if (Either.isLeft(made)) return Either.left(made.left)
      if (Either.isLeft(made.right)) return Either.left(new CryptogenFailed({ step, detail: made.right.left }))
    }
    return Either.void
  }

  /** Without NodeOUs the organization's Admin is the admin of each of its nodes. */
  #adminsOfNodes(): Either.Either<void, CryptogenFailed> {
    if (this.spec.enableNodeOUs) return Either.void
    for (const { commonName } of this.spec.specs) {
      const step = `Error copying admin cert for org ${this.spec.domain} ${this.kind} ${commonName}`
      const copied = this.#step(step, () => this.#copyAdmin(join(this.#nodes, commonName, "msp", "admincerts")))
      if (Either.isLeft(copied)) return copied
    }
    return Either.void
  }

  #copyAdmin(adminCerts: string): void {
    const file = certificateFile(this.#admin)
    if (existsSync(join(adminCerts, file))) return
    rmSync(adminCerts, { recursive: true, force: true })
    mkdirSync(adminCerts, { recursive: true, mode: 0o755 })
    copyFileSync(join(this.#users, this.#admin, "msp", "signcerts", file), join(adminCerts, file))
  }

  #report(): GeneratedOrganization {
    const member = (base: string, name: string): GeneratedMember => ({ name, folder: join(base, name) })
    return {
      kind: this.kind,
      domain: this.spec.domain,
      mspFolder: join(this.#folder, "msp"),
      tlsCaFile: join(this.#folder, "tlsca", certificateFile(`tls${this.spec.ca.commonName}`)),
      nodes: this.spec.specs.map(({ commonName }) => member(this.#nodes, commonName)),
      users: [...this.#userSpecs().map(({ commonName }) => commonName), this.#admin].map((name) =>
        member(this.#users, name)
      ),
      reused: this.#reused
    }
  }
}

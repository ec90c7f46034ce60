/**
 * The install store: one file per package, its bytes exactly as they were given. Folders move between this peer and the
 * reference's. Source: chaincode.md R3, R12, R59-R65a; core/common/ccprovider.
 */
import { existsSync } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Log from "../../runtime/Log.js"
import { equalBytes } from "../../wire/bytes.js"
import { InstallFolderUnusable, PackageExists, PackageMissing, PackageRefused, PolicyMismatch } from "../errors.js"
import { compareNames } from "../text.js"
import type { ChaincodePackage, Hash } from "./ChaincodePackage.js"
import { readStoredPackage } from "./ChaincodePackage.js"
import { parseInstallPackage, parseTexts } from "./installPackage.js"
import { runScan } from "./platforms.js"

/** A package found in the store. */
export interface InstalledChaincode {
  readonly name: string
  readonly version: string
  /** The fingerprint. */
  readonly id: Uint8Array
}

export interface PackageStoreShape {
  /** The folder, for messages. */
  readonly folder: string
  /** Keeps a package; refuses when one of this name and version is there (R59). */
  readonly put: (found: ChaincodePackage) => Effect.Effect<void, PackageExists | PackageMissing>
  /** The package of exactly this name and version, read from disk and recognised anew each time. */
  readonly get: (name: string, version: string) => Effect.Effect<ChaincodePackage, PackageMissing | PackageRefused>
  /** Whether a file for this name and version is there. */
  readonly has: (name: string, version: string) => Effect.Effect<boolean>
  /** The same for `name:version`, at once: asked when a process that nobody launched registers. */
  readonly isInstalled: (chaincode: string) => boolean
  /** The code to launch: from the new lifecycle's store, else from here (R12). */
  readonly codePackage: (name: string, version: string) => Effect.Effect<Uint8Array, PackageMissing | PackageRefused>
  /** For lscc: packages in file name order, skipping what cannot be read or was renamed (R65). */
  readonly list: Effect.Effect<ReadonlyArray<ChaincodePackage>, PackageMissing>
  /** One unreadable file makes the whole list fail (R65, T26). */
  readonly listStrict: Effect.Effect<ReadonlyArray<InstalledChaincode>, PackageMissing | PackageRefused>
  /** For discovery and gossip: the new lifecycle's packages, then `listStrict`, either empty when it fails. */
  readonly installed: Effect.Effect<ReadonlyArray<InstalledChaincode>>
  /**
   * The instantiation policy check before every execution (R63): a policy in the local package must be the ledger's.
   * Local packages are read once and remembered.
   */
  readonly checkInstantiationPolicy: (
    name: string,
    version: string,
    ledgerPolicy: Uint8Array
  ) => Effect.Effect<void, PackageMissing | PolicyMismatch>
}

export class PackageStore extends Context.Tag("chaincode/packages/PackageStore")<PackageStore, PackageStoreShape>() {}

const log = Log.module("ccprovider")

/** The operating system's reason in the words of the reference. */
const systemReason = (error: unknown): string => {
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : ""
  const known: Readonly<Record<string, string>> = {
    ENOENT: "no such file or directory",
    EACCES: "permission denied",
    EISDIR: "is a directory",
    ENOTDIR: "not a directory",
    ENOSPC: "no space left on device",
    ENAMETOOLONG: "file name too long"
  }
  return known[code] ?? (error instanceof Error ? error.message : String(error))
}

class Store implements PackageStoreShape {
  private readonly policies = new Map<string, Uint8Array | undefined>()

  constructor(
    readonly folder: string,
    private readonly hash: Hash
  ) {}

  /** Names and versions are checked before they get here, but nothing read from a name may leave the folder. */
  private place(name: string, version: string): string {
    return `${this.folder}/${`${name}.${version}`.replaceAll("/", "_")}`
  }

  private readonly read = (name: string, version: string): Effect.Effect<Uint8Array, PackageMissing> => {
    const place = this.place(name, version)
    const missing = (reason: string) => new PackageMissing({ name, version, reason: `open ${place}: ${reason}` })
    return Effect.tryPromise({ try: () => fs.readFile(place), catch: (error) => missing(systemReason(error)) })
  }

  readonly put = (found: ChaincodePackage) => {
    const { bytes, name, version } = found
    const place = this.place(name, version)
    const failed = (error: unknown) =>
      new PackageMissing({ name, version, reason: `open ${place}: ${systemReason(error)}` })
    return Effect.gen(this, function* () {
      if (yield* this.has(name, version)) return yield* new PackageExists({ name, version, path: place })
      // written beside the folder first: a torn package under its final name would block every later install
      const unfinished = path.join(path.dirname(this.folder), `.install-${name}.${version}`)
      yield* Effect.tryPromise({
        try: async () => {
          const file = await fs.open(unfinished, "w", 0o644)
          try {
            await file.writeFile(bytes)
            await file.sync()
          } finally {
            await file.close()
          }
          await fs.rename(unfinished, place)
        },
        catch: failed
      }).pipe(Effect.onError(() => Effect.promise(() => fs.rm(unfinished, { force: true }))))
    })
  }

  readonly get = (name: string, version: string) =>
    Effect.flatMap(this.read(name, version), (bytes) => readStoredPackage(bytes, this.hash))

  readonly has = (name: string, version: string) =>
    Effect.promise(() =>
      fs.access(this.place(name, version)).then(
        () => true,
        () => false
      )
    )

  readonly isInstalled = (chaincode: string): boolean => {
    const colon = chaincode.indexOf(":")
    return colon > 0 && existsSync(this.place(chaincode.slice(0, colon), chaincode.slice(colon + 1)))
  }

  readonly codePackage = (name: string, version: string) =>
    Effect.gen(this, function* () {
      const stored = yield* this.newStyle(name, version)
      if (stored !== undefined) return stored
      return yield* this.get(name, version).pipe(
        Effect.map((found) => found.codePackage),
        Effect.tapError((error) =>
          log.debug(`error loading code package from ChaincodeDeploymentSpec: ${error.message}`)
        ),
        Effect.mapError(() => {
          const reason = `code package not found for chaincode with name '${name}', version '${version}'`
          return new PackageMissing({ name, version, reason })
        })
      )
    })

  private readonly newStyle = (name: string, version: string) =>
    Effect.gen(this, function* () {
      const missing = (reason: string) => new PackageMissing({ name, version, reason })
      for (const file of yield* this.files) {
        if (!file.endsWith(".json")) continue
        const metadata = yield* this.metadataOf(file)
        if (metadata?.[0] !== name || metadata[1] !== version) continue
        const binary = path.join(this.folder, `${file.split(".")[0]}.bin`)
        const bytes = yield* Effect.tryPromise({
          try: () => fs.readFile(binary),
          catch: (error) =>
            missing(`error loading code package from ChaincodeInstallPackage: open ${binary}: ${systemReason(error)}`)
        })
        const parsed = yield* runScan(parseInstallPackage(bytes))
        if (typeof parsed === "string") return yield* missing(`error parsing chaincode package: ${parsed}`)
        return parsed.codePackage
      }
      return undefined
    })

  /** Names in the folder, in byte order. */
  private readonly files = Effect.tryPromise({
    try: async () => (await fs.readdir(this.folder)).sort(compareNames),
    catch: (error) =>
      new PackageMissing({ name: "", version: "", reason: `open ${this.folder}: ${systemReason(error)}` })
  })

  readonly list = Effect.suspend(() =>
    Effect.gen(this, function* () {
      const found: Array<ChaincodePackage> = []
      for (const file of yield* this.files) {
        const dot = file.indexOf(".")
        if (dot < 0) continue
        const name = file.slice(0, dot)
        const version = file.slice(dot + 1)
        const one = yield* Effect.either(this.get(name, version))
        if (Either.isLeft(one)) yield* log.error(`Unreadable chaincode file found on filesystem: ${file}`)
        else if (one.right.name !== name || one.right.version !== version) {
          yield* log.error(`Chaincode file's name/version has been modified on the filesystem: ${file}`)
        } else found.push(one.right)
      }
      return found
    })
  )

  readonly listStrict = Effect.suspend(() =>
    Effect.gen(this, function* () {
      const found: Array<InstalledChaincode> = []
      for (const file of yield* this.files) {
        const isFolder = yield* Effect.promise(() =>
          fs.stat(path.join(this.folder, file)).then(
            (stat) => stat.isDirectory(),
            () => false
          )
        )
        if (isFolder) continue
        const dot = file.indexOf(".")
        if (dot < 0) {
          yield* log.info(`Skipping ${file} because of missing separator '.'`)
          continue
        }
        const name = file.slice(0, dot)
        const version = file.slice(dot + 1)
        const { id } = yield* Effect.mapError(
          this.get(name, version),
          (error) =>
            new PackageRefused({
              reason: `failed obtaining information about ${name}, version ${version}: ${error.message}`
            })
        )
        found.push({ name, version, id })
      }
      return found
    })
  )

  readonly installed = Effect.suspend(() => {
    const empty = (what: string) => (error: { readonly message: string }) =>
      Effect.as(log.debug(`error getting installed chaincodes from ${what}: ${error.message}`), [])
    return Effect.zipWith(
      Effect.catchAll(this.listNewStyle, empty("persistence store")),
      Effect.catchAll(this.listStrict, empty("ccprovider")),
      (newStyle, legacy) => [...newStyle, ...legacy]
    )
  })

  /** What the new lifecycle's metadata files name; their ids are their names. */
  private readonly listNewStyle = Effect.suspend(() =>
    Effect.gen(this, function* () {
      const found: Array<InstalledChaincode> = []
      for (const file of yield* this.files) {
        if (!file.endsWith(".json")) continue
        const texts = yield* this.metadataOf(file)
        if (texts === undefined) {
          yield* log.warning(`error reading metadata at ${path.join(this.folder, file)}`)
          continue
        }
        const [id = ""] = file.split(".")
        if (!/^([0-9a-fA-F]{2})*$/.test(id))
          return yield* new PackageRefused({ reason: `error decoding hash from hex string: ${id}` })
        const [name = "", version = ""] = texts
        found.push({ name, version, id: Buffer.from(id, "hex") })
      }
      return found
    })
  )

  private metadataOf(file: string): Effect.Effect<ReadonlyArray<string> | undefined> {
    return Effect.promise(() =>
      fs.readFile(path.join(this.folder, file)).then(
        (bytes) => parseTexts(bytes, "Name", "Version"),
        () => undefined
      )
    )
  }

  readonly checkInstantiationPolicy = (
    name: string,
    version: string,
    ledgerPolicy: Uint8Array
  ): Effect.Effect<void, PackageMissing | PolicyMismatch> => {
    const key = `${name}/${version}`
    if (this.policies.has(key)) return this.compare(name, version, this.policies.get(key), ledgerPolicy)
    return this.get(name, version).pipe(
      Effect.mapError(
        (error) =>
          new PackageMissing({
            name,
            version,
            reason: `cannot retrieve package for chaincode ${name}/${version}, error ${error.message}`
          })
      ),
      Effect.flatMap((found) => {
        const policy = found.instantiationPolicy
        this.policies.set(key, policy === undefined ? undefined : Uint8Array.from(policy)) // not the whole package
        return this.compare(name, version, policy, ledgerPolicy)
      })
    )
  }

  private compare(name: string, version: string, local: Uint8Array | undefined, ledger: Uint8Array) {
    return local === undefined || equalBytes(local, ledger) ? Effect.void : new PolicyMismatch({ name, version })
  }
}

/** `SetChaincodesPath`: makes the last folder of the path when it is missing, refuses anything that is no folder (R3). */
const openFolder = (folder: string): Effect.Effect<void, InstallFolderUnusable> =>
  Effect.tryPromise({
    try: async () => {
      const stat = await fs.stat(folder).catch((error: unknown) => error)
      if (stat instanceof Error) {
        const absent = "code" in stat && stat.code === "ENOENT"
        if (!absent) throw new Error(`Could not stat chaincodes install path: ${systemReason(stat)}`)
        await fs.mkdir(folder, { mode: 0o755 }).catch((error: unknown) => {
          throw new Error(`Could not create chaincodes install path: mkdir ${folder}: ${systemReason(error)}`)
        })
      } else if (!(await fs.stat(folder)).isDirectory()) {
        throw new Error(`chaincode path exists but not a dir: ${folder}`)
      }
    },
    catch: (error) =>
      new InstallFolderUnusable({ folder, reason: error instanceof Error ? error.message : String(error) })
  })

/** The store in `<peer.fileSystemPath>/chaincodes`. `hash` is BCCSP's configured default (R61). */
export const layer = (folder: string, hash: Hash): Layer.Layer<PackageStore, InstallFolderUnusable> =>
  Layer.effect(PackageStore, Effect.as(openFolder(folder), new Store(folder, hash)))

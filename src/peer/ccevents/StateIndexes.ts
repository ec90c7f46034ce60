/**
 * Indexes that chaincode packages bring in META-INF, made in a channel's state database once the chaincode is both
 * installed here and instantiated there. What goes wrong is logged and nothing more: the peer commits without indexes as
 * well, and a faulty file cannot be mended by its administrator.
 * Source: chaincode.md R66-R69, R98; privacyenabledstate/common_storage_db.go (HandleChaincodeDeploy).
 */
import * as Effect from "effect/Effect"
import { PackageStore } from "../../chaincode/packages/PackageStore.js"
import { type StatedbArtifact, statedbArtifacts } from "../../chaincode/packages/platforms.js"
import { type PeerLedgerShape, staticConfigs } from "../../ledger/index.js"
import * as Log from "../../runtime/Log.js"
import { type ChaincodeLifecycleListener, type DeployedChaincode, deployedChaincode } from "../lifecycle/index.js"

const log = Log.module("privacyenabledstate")

type IndexedLedger = Pick<PeerLedgerShape, "channelId" | "createIndex" | "newQueryExecutor">

/** Where an artifact belongs; undefined: it is no index of CouchDB. */
const placeOf = (name: string): { readonly collection: string | undefined } | undefined => {
  const [root, statedb, database, kind, collection, indexes] = name.split("/")
  if (root !== "META-INF" || statedb !== "statedb" || database !== "couchdb") return undefined
  if (kind === "indexes") return { collection: undefined }
  return kind === "collections" && collection !== undefined && indexes === "indexes" ? { collection } : undefined
}

const definitionOf = (content: Uint8Array): Readonly<Record<string, unknown>> => {
  const parsed: unknown = JSON.parse(Buffer.from(content).toString("utf8"))
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new Error("it is no JSON object")
  return { ...parsed }
}

/** Makes all indexes of one chaincode. */
const createIndexes = (
  ledger: IndexedLedger,
  { collections, name }: DeployedChaincode,
  artifacts: ReadonlyArray<StatedbArtifact>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const defined = yield* Effect.try(() => staticConfigs(collections))
    for (const artifact of artifacts) {
      const failed = (reason: string) =>
        log.error(`[${ledger.channelId}] Error processing index [${artifact.name}] for chaincode [${name}]: ${reason}`)
      const place = placeOf(artifact.name)
      if (place === undefined) continue
      if (place.collection !== undefined && !defined.has(place.collection)) {
        yield* failed(`cannot create an index for an undefined collection=[${place.collection}]`)
        continue
      }
      yield* Effect.try(() => definitionOf(artifact.content)).pipe(
        Effect.flatMap((definition) => ledger.createIndex(name, place.collection, definition)),
        Effect.catchAll((error) => failed(error.message))
      )
    }
  }).pipe(
    Effect.catchAll((error) =>
      log.error(`Error while retrieving collection config for chaincode=[${name}]: ${error.message}`)
    )
  )

/** Told of deployments from now on. */
export const indexListener = (ledger: IndexedLedger): ChaincodeLifecycleListener => ({
  handleChaincodeDeploy: (chaincode, artifacts) => createIndexes(ledger, chaincode, artifacts),
  chaincodeDeployDone: () => Effect.void
})

/**
 * Makes the indexes of everything that is installed and instantiated already: the database may be a new one, and an
 * index that is there stays as it is.
 */
export const ensureIndexes = (ledger: IndexedLedger): Effect.Effect<void, never, PackageStore> =>
  Effect.gen(function* () {
    const packages = yield* PackageStore
    const installed = yield* packages.list
    const deployed = yield* Effect.acquireUseRelease(
      ledger.newQueryExecutor,
      (state) =>
        Effect.try(() =>
          installed.flatMap((found) => {
            const chaincode = deployedChaincode(state, found.name)
            return chaincode?.version === found.version ? [{ chaincode, found }] : []
          })
        ),
      (state) => Effect.sync(() => state.done())
    )
    for (const { chaincode, found } of deployed)
      yield* createIndexes(ledger, chaincode, yield* statedbArtifacts(found.type, found.codePackage))
  }).pipe(
    Effect.catchAll((error) => log.error(`[${ledger.channelId}] indexes of installed chaincode: ${error.message}`))
  )

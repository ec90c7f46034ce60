/**
 * Stage 20, second part: the system chaincodes, registered when the whitelist names them, and what chaincode support
 * asks of the peer. Source: peer-endorse-validate.md 3.6 rule 8; chaincode.md R75-R79; core/scc.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as context from "../../chaincode/context.js"
import { PackageStore } from "../../chaincode/packages/PackageStore.js"
import { hash } from "../../crypto/index.js"
import { LocalMsp } from "../../msp/index.js"
import * as Log from "../../runtime/Log.js"
import { stage } from "../../runtime/Stage.js"
import { Acl } from "../acl/Acl.js"
import { ChannelTable } from "../channels/ChannelTable.js"
import { configBlockOf } from "../channels/configuration.js"
import { historyOf } from "../channels/history.js"
import { PeerChannels } from "../channels/PeerChannels.js"
import { ChaincodeEvents } from "../lifecycle/index.js"
import { PeerConfig } from "../PeerConfig.js"
import { asSystemChaincode } from "../scc/adapt.js"
import { makeCscc } from "../scc/cscc/Cscc.js"
import { makeDefinitions } from "../scc/lscc/definitions.js"
import { makeLscc } from "../scc/lscc/Lscc.js"
import * as names from "../scc/names.js"
import { makeQscc } from "../scc/qscc/Qscc.js"

const log = Log.module("sccapi", "registerSysCC")

const registry = Layer.effect(
  context.SystemChaincodes,
  Effect.gen(function* () {
    const { chaincode } = yield* PeerConfig
    const acl = yield* Acl
    const { bundleOf, get, list } = yield* ChannelTable
    const { join } = yield* PeerChannels
    const packages = yield* PackageStore
    const { installing } = yield* ChaincodeEvents
    const { defaults } = yield* LocalMsp
    const all = [
      makeLscc({
        acl,
        packages,
        hash: (...chunks) => hash(defaults.hash, ...chunks),
        bundleOf,
        isSystem: names.isSystem,
        installing
      }),
      makeCscc({
        acl,
        bundleOf,
        channels: list,
        join,
        configBlock: (channelId) => {
          const channel = get(channelId)
          return channel === undefined ? Effect.succeed(undefined) : configBlockOf(channel.ledger)
        }
      }),
      makeQscc({ acl, blocksOf: (channelId) => get(channelId)?.ledger })
    ]
    const enabled = all.filter(({ name }) => names.isEnabled(chaincode.system, name))
    for (const { name } of all)
      yield* log.info(
        `system chaincode ${name} ${enabled.some((one) => one.name === name) ? "registered" : "disabled"}`
      )
    for (const { enabled: wanted, name } of chaincode.systemPlugins)
      if (wanted)
        yield* log.warning(
          `system chaincode plugin ${name} is not loaded: it is a Go plugin, as no release build loads them`
        )
    const registered = enabled.map(asSystemChaincode)
    const byName = new Map(registered.map((one) => [one.name, one]))
    return {
      version: chaincode.systemVersion,
      isSystem: names.isSystem,
      isCallableByChaincode: names.isInvokableCC2CC,
      get: (name) => byName.get(name),
      registered
    }
  })
)

const aclProvider = Layer.effect(
  context.AclProvider,
  Effect.map(Acl, (acl) => ({
    check: (resource, channelId, signed) => acl.checkProposal(resource, channelId, signed)
  }))
)

const applications = Layer.effect(
  context.ApplicationConfigs,
  Effect.map(ChannelTable, ({ bundleOf }) => ({
    of: (channelId) => {
      const bundle = bundleOf(channelId)
      return bundle?.application === undefined
        ? undefined
        : {
            keyLevelEndorsement: bundle.application.capabilities.keyLevelEndorsement,
            deserializer: bundle.mspManager
          }
    }
  }))
)

const definitions = Layer.effect(context.ChaincodeDefinitions, Effect.map(PackageStore, makeDefinitions))

const ledgers = Layer.effect(
  context.LedgerGetter,
  Effect.gen(function* () {
    const { enableHistoryDatabase } = (yield* PeerConfig).ledger.history
    const { get } = yield* ChannelTable
    return {
      of: (channelId) => {
        const ledger = get(channelId)?.ledger
        return ledger === undefined
          ? undefined
          : {
              newTxSimulator: ledger.newTxSimulator,
              newHistoryQueryExecutor: historyOf(ledger, enableHistoryDatabase)
            }
      }
    }
  })
)

export const layer = Layer.mergeAll(registry, aclProvider, applications, definitions, ledgers).pipe(
  stage("system chaincodes", { remedy: "check chaincode.system", exitCode: 2 })
)

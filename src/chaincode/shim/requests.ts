/**
 * What a chaincode may ask of the state, one function per message type: payload in, payload of the RESPONSE out. A
 * failure is thrown; its message is the cause in the ERROR reply. Plain functions: they run for every key that a
 * chaincode touches. Rich queries alone may take time; they answer with an effect. Source: chaincode.md 3.6-3.8; core/chaincode/handler.go.
 */
import { EMPTY, protos, queryresult, WireError } from "../../wire/index.js"
import type { ApplicationConfigs, PageIterator, ResultsIterator, TxSimulator } from "../context.js"
import { assertReadAccess } from "./collectionAccess.js"
import { MessageType } from "./messages.js"
import { type Answer, closedResponse, preparedResponse } from "./queryResponse.js"
import type { Results, TransactionContext } from "./TransactionContext.js"

/** What request functions need besides the transaction. */
export interface RequestEnvironment {
  readonly applications: ApplicationConfigs["Type"]
  /** `ledger.state.totalQueryLimit`. */
  readonly totalQueryLimit: number
  /** A fresh random UUID. */
  readonly newId: () => string
}

/** A request on its way: the calling chaincode's namespace, the message, the transaction. */
export interface StateRequest {
  readonly namespace: string
  readonly channelId: string
  readonly payload: Uint8Array
  readonly context: TransactionContext
  readonly environment: RequestEnvironment
}

type RequestFunction = (request: StateRequest) => Answer

const decode = <A>(type: { readonly decode: (bytes: Uint8Array) => A }, bytes: Uint8Array): A => {
  try {
    return type.decode(bytes)
  } catch (error) {
    throw error instanceof WireError ? new Error(`unmarshal failed: ${error.message}`) : error
  }
}

/** The caller has checked that there is one. */
const simulatorOf = ({ context }: StateRequest): TxSimulator => {
  const { simulator } = context.params
  if (simulator === undefined) throw new Error("no ledger context")
  return simulator
}

const refuseInInit = ({ context }: StateRequest): void => {
  if (context.isInit) throw new Error("private data APIs are not allowed in chaincode Init()")
}

/** The checks before a read of a collection (R34). */
const beforePrivateRead = (request: StateRequest, collection: string): void => {
  refuseInInit(request)
  assertReadAccess(request.context, request.namespace, collection, request.environment.applications)
}

/** Key-level endorsement is there from application capability V1_3 on (R35). */
const requireMetadataCapability = ({ channelId, environment }: StateRequest): void => {
  const application = environment.applications.of(channelId)
  if (application === undefined) throw new Error(`application config does not exist for ${channelId}`)
  if (!application.keyLevelEndorsement) {
    throw new Error("key level endorsement is not enabled, channel application capability of V1_3 or later is required")
  }
}

// ---- Keys --------------------------------------------------------------------------------------------------------

const getState: RequestFunction = (request) => {
  const { collection, key } = decode(protos.GetState, request.payload)
  const simulator = simulatorOf(request)
  if (collection === "") return simulator.getState(request.namespace, key) ?? EMPTY
  beforePrivateRead(request, collection)
  return simulator.getPrivateData(request.namespace, collection, key) ?? EMPTY
}

const putState: RequestFunction = (request) => {
  const { collection, key, value } = decode(protos.PutState, request.payload)
  const simulator = simulatorOf(request)
  if (collection === "") simulator.setState(request.namespace, key, value)
  else {
    refuseInInit(request)
    simulator.setPrivateData(request.namespace, collection, key, value)
  }
  return EMPTY
}

const delState: RequestFunction = (request) => {
  const { collection, key } = decode(protos.DelState, request.payload)
  const simulator = simulatorOf(request)
  if (collection === "") simulator.deleteState(request.namespace, key)
  else {
    refuseInInit(request)
    simulator.deletePrivateData(request.namespace, collection, key)
  }
  return EMPTY
}

const getPrivateDataHash: RequestFunction = (request) => {
  const { collection, key } = decode(protos.GetState, request.payload)
  refuseInInit(request)
  return simulatorOf(request).getPrivateDataHash(request.namespace, collection, key) ?? EMPTY
}

// ---- Metadata ----------------------------------------------------------------------------------------------------

const getStateMetadata: RequestFunction = (request) => {
  requireMetadataCapability(request)
  const { collection, key } = decode(protos.GetStateMetadata, request.payload)
  const simulator = simulatorOf(request)
  if (collection !== "") beforePrivateRead(request, collection)
  const metadata =
    collection === ""
      ? simulator.getStateMetadata(request.namespace, key)
      : simulator.getPrivateDataMetadata(request.namespace, collection, key)
  const entries = [...(metadata ?? [])].map(([metakey, value]) => ({ metakey, value }))
  return protos.StateMetadataResult.encode({ entries })
}

const putStateMetadata: RequestFunction = (request) => {
  requireMetadataCapability(request)
  const { collection, key, metadata } = decode(protos.PutStateMetadata, request.payload)
  if (metadata === undefined) throw new Error("metadata to be set is missing") // the reference would end (T14)
  const entry = new Map([[metadata.metakey, metadata.value]])
  const simulator = simulatorOf(request)
  if (collection === "") simulator.setStateMetadata(request.namespace, key, entry)
  else {
    refuseInInit(request)
    simulator.setPrivateDataMetadata(request.namespace, collection, key, entry)
  }
  return EMPTY
}

// ---- Queries -----------------------------------------------------------------------------------------------------

const queryMetadata = (bytes: Uint8Array): protos.QueryMetadata => decode(protos.QueryMetadata, bytes)

/** R38: the page size where it is smaller than what any query may return. */
const limitOf = ({ environment }: StateRequest, metadata: protos.QueryMetadata | undefined): number => {
  const pageSize = metadata?.pageSize ?? 0
  return pageSize > 0 && pageSize < environment.totalQueryLimit ? pageSize : environment.totalQueryLimit
}

const isPaginated = ({ bookmark, pageSize }: protos.QueryMetadata): boolean => pageSize !== 0 || bookmark !== ""

/** Results as they travel. */
const serialised = <A>(iterator: ResultsIterator<A>, encode: (result: A) => Uint8Array): Results => ({
  prepare: (count) => iterator.prepare?.(count),
  next: () => {
    const result = iterator.next()
    return result === undefined ? undefined : encode(result)
  },
  close: () => iterator.close()
})

const begin = (request: StateRequest, results: Results, page: PageIterator | undefined, limit: number): Answer => {
  const id = request.environment.newId()
  request.context.openQuery(id, results)
  return preparedResponse(request.context, id, page, limit)
}

const beginState = (request: StateRequest, iterator: ResultsIterator<queryresult.KV>, limit: number): Answer =>
  begin(request, serialised(iterator, queryresult.KV.encode), undefined, limit)

const beginPage = (request: StateRequest, page: PageIterator, limit: number): Answer =>
  begin(request, serialised(page, queryresult.KV.encode), page, limit)

const getStateByRange: RequestFunction = (request) => {
  const { collection, endKey, metadata: metadataBytes, startKey } = decode(protos.GetStateByRange, request.payload)
  const metadata = queryMetadata(metadataBytes)
  const limit = limitOf(request, metadata)
  const { namespace } = request
  const simulator = simulatorOf(request)
  if (collection !== "") {
    beforePrivateRead(request, collection)
    return beginState(request, simulator.getPrivateDataRange(namespace, collection, startKey, endKey), limit)
  }
  if (isPaginated(metadata)) {
    const from = metadata.bookmark === "" ? startKey : metadata.bookmark
    return beginPage(request, simulator.getStateRangePage(namespace, from, endKey, limit), limit)
  }
  return beginState(request, simulator.getStateRange(namespace, startKey, endKey), limit)
}

const getQueryResult: RequestFunction = (request) => {
  const { collection, metadata: metadataBytes, query } = decode(protos.GetQueryResult, request.payload)
  const metadata = queryMetadata(metadataBytes)
  const limit = limitOf(request, metadata)
  const { namespace } = request
  const simulator = simulatorOf(request)
  if (collection !== "") {
    beforePrivateRead(request, collection)
    return beginState(request, simulator.executeQueryOnPrivateData(namespace, collection, query), limit)
  }
  if (isPaginated(metadata)) {
    return beginPage(request, simulator.executeQueryPage(namespace, query, limit, metadata.bookmark), limit)
  }
  return beginState(request, simulator.executeQuery(namespace, query), limit)
}

const queryStateNext: RequestFunction = (request) => {
  const { id } = decode(protos.QueryStateNext, request.payload)
  return preparedResponse(request.context, id, undefined, limitOf(request, undefined))
}

const queryStateClose: RequestFunction = (request) => {
  const { id } = decode(protos.QueryStateClose, request.payload)
  request.context.closeQuery(id)
  return closedResponse(id)
}

const getHistoryForKey: RequestFunction = (request) => {
  const { key } = decode(protos.GetHistoryForKey, request.payload)
  const { history } = request.context.params
  if (history === undefined) throw new Error("history database not enabled")
  const results = serialised(history.getHistoryForKey(request.namespace, key), queryresult.KeyModification.encode)
  return begin(request, results, undefined, limitOf(request, undefined))
}

/** By message type; INVOKE_CHAINCODE takes time and is not here. */
const FUNCTIONS: ReadonlyMap<number, RequestFunction> = new Map([
  [MessageType.getState, getState],
  [MessageType.putState, putState],
  [MessageType.delState, delState],
  [MessageType.getStateByRange, getStateByRange],
  [MessageType.getQueryResult, getQueryResult],
  [MessageType.queryStateNext, queryStateNext],
  [MessageType.queryStateClose, queryStateClose],
  [MessageType.getHistoryForKey, getHistoryForKey],
  [MessageType.getStateMetadata, getStateMetadata],
  [MessageType.putStateMetadata, putStateMetadata],
  [MessageType.getPrivateDataHash, getPrivateDataHash]
])

/** Answers a request for state: the payload of its RESPONSE. Throws, or fails with, the cause of an ERROR. */
export const answerStateRequest = (type: number, request: StateRequest): Answer => {
  const answer = FUNCTIONS.get(type)
  if (answer === undefined) throw new Error(`no handler for message type ${type}`)
  return answer(request)
}

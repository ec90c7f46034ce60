/**
 * Which byte fields hold messages, and which messages mean something only where they stand: a ConfigValue under "MSP" is
 * an MSPConfig in an organisation and nothing in a channel (protos/{common,peer,orderer,msp,ledger/rwset}, the hand-written
 * methods beside the generated code). Pure.
 */
import * as Either from "effect/Either"
import {
  ccprovider,
  common,
  discovery,
  etcdraft,
  google,
  gossip,
  kvrwset,
  type MessageInfo,
  msp,
  orderer,
  protos,
  queryresult,
  rwset,
  transientstore
} from "../../wire/index.js"
import { ProtolatorError } from "./errors.js"

/** Where a message stands in a configuration or a read-write set, when that decides about its fields. */
export interface Shape {
  readonly type: MessageInfo
  /** The name that errors show instead of the message's own. */
  readonly shown: string
  /** Shapes of members: of a message field (groups, values, …), or the message inside a byte field. */
  readonly member?: (field: string, key: string) => Either.Either<Shape, ProtolatorError> | undefined
  /** The message inside a byte field. */
  readonly opaque?: (field: string) => Either.Either<Shape, ProtolatorError> | undefined
}

const refuse = (detail: string) => Either.left(new ProtolatorError({ detail }))

/** Messages of the protobuf package common that Go keeps in its package msp. */
const principalTypes = /^common\.(MSPPrincipal|MSPRole|OrganizationUnit|MSPIdentityAnonymity|CombinedPrincipal)$/

/** Go's name of a message type: its packages differ from the protobuf ones. */
export const goName = (typeName: string): string =>
  typeName.replace(/^protos\./, "peer.").replace(principalTypes, "msp.$1")

/** A message that means the same wherever it stands. */
export const plain = (type: MessageInfo): Shape => ({ type, shown: `*${goName(type.typeName)}` })

// --------------------------------------------------------------------------------------------- configuration trees

type Values = Readonly<Record<string, MessageInfo>>

const configValue = (shown: string, values: Values, name: string, level: string): Shape => ({
  type: common.ConfigValue,
  shown,
  opaque: (field) => {
    if (field !== "value") return undefined
    const type = Object.hasOwn(values, name) ? values[name] : undefined
    return type === undefined ? refuse(`${level} ConfigValue name: ${name}`) : Either.right(plain(type))
  }
})

/** A group whose values and sub-groups are known by name. */
const configGroup = (
  shown: string,
  groups: (key: string) => Either.Either<Shape, ProtolatorError>,
  values: (key: string) => Either.Either<Shape, ProtolatorError>
): Shape => ({
  type: common.ConfigGroup,
  shown,
  member: (field, key) => (field === "groups" ? groups(key) : field === "values" ? values(key) : undefined)
})

const orgGroup = (shown: string, noGroups: string, valueShown: string, values: Values, level: string): Shape =>
  configGroup(
    shown,
    () => refuse(noGroups),
    (key) => Either.right(configValue(valueShown, values, key, level))
  )

const applicationOrg = orgGroup(
  "*peer.DynamicApplicationOrgGroup",
  "The application orgs do not support sub-groups",
  "*peer.DynamicApplicationOrgConfigValue",
  { MSP: msp.MSPConfig, AnchorPeers: protos.AnchorPeers },
  "Unknown Application Org"
)
const application = configGroup(
  "*peer.DynamicApplicationGroup",
  () => Either.right(applicationOrg),
  (key) =>
    Either.right(
      configValue(
        "*peer.DynamicApplicationConfigValue",
        { Capabilities: common.Capabilities, ACLs: protos.ACLs },
        key,
        "Unknown Application"
      )
    )
)
const ordererOrg = orgGroup(
  "*orderer.DynamicOrdererOrgGroup",
  "the orderer orgs do not support sub-groups",
  "*orderer.DynamicOrdererOrgConfigValue",
  { MSP: msp.MSPConfig, Endpoints: common.OrdererAddresses },
  "unknown Orderer Org"
)
const ordererGroup = configGroup(
  "*orderer.DynamicOrdererGroup",
  () => Either.right(ordererOrg),
  (key) =>
    Either.right(
      configValue(
        "*orderer.DynamicOrdererConfigValue",
        {
          ConsensusType: orderer.ConsensusType,
          BatchSize: orderer.BatchSize,
          BatchTimeout: orderer.BatchTimeout,
          KafkaBrokers: orderer.KafkaBrokers,
          ChannelRestrictions: orderer.ChannelRestrictions,
          Capabilities: common.Capabilities
        },
        key,
        "unknown Orderer"
      )
    )
)
/** An organisation of a consortium: what configtxgen's `-printOrg` prints. */
export const consortiumOrg: Shape = orgGroup(
  "*common.DynamicConsortiumOrgGroup",
  "ConsortiumOrg groups do not support sub groups",
  "*common.DynamicConsortiumOrgConfigValue",
  { MSP: msp.MSPConfig },
  "unknown Consortium Org"
)
const consortium = configGroup(
  "*common.DynamicConsortiumGroup",
  () => Either.right(consortiumOrg),
  (key) =>
    Either.right(
      configValue(
        "*common.DynamicConsortiumConfigValue",
        { ChannelCreationPolicy: common.Policy },
        key,
        "unknown Consortium"
      )
    )
)
const consortiums = configGroup(
  "*common.DynamicConsortiumsGroup",
  () => Either.right(consortium),
  () => refuse("Consortiums currently support no config values")
)
const sections: Readonly<Record<string, Shape>> = {
  Application: application,
  Consortiums: consortiums,
  Orderer: ordererGroup
}
const channel = configGroup(
  "*common.DynamicChannelGroup",
  (key) => {
    const section = Object.hasOwn(sections, key) ? sections[key] : undefined
    return section === undefined ? refuse(`unknown channel ConfigGroup sub-group: ${key}`) : Either.right(section)
  },
  (key) =>
    Either.right(
      configValue(
        "*common.DynamicChannelConfigValue",
        {
          HashingAlgorithm: common.HashingAlgorithm,
          BlockDataHashingStructure: common.BlockDataHashingStructure,
          OrdererAddresses: common.OrdererAddresses,
          Consortium: common.Consortium,
          Capabilities: common.Capabilities
        },
        key,
        "unknown Channel"
      )
    )
)

// -------------------------------------------------------------------------------------------------- read-write sets

const collectionHashedRwset: Shape = {
  type: rwset.CollectionHashedReadWriteSet,
  shown: "*rwset.DynamicCollectionHashedReadWriteSet",
  opaque: (field) => (field === "rwset" ? Either.right(plain(kvrwset.HashedRWSet)) : undefined)
}
const nsRwset: Shape = {
  type: rwset.NsReadWriteSet,
  shown: "*rwset.DynamicNsReadWriteSet",
  member: (field) => (field === "collection_hashed_rwset" ? Either.right(collectionHashedRwset) : undefined),
  opaque: (field) => (field === "rwset" ? Either.right(plain(kvrwset.KVRWSet)) : undefined)
}

// ----------------------------------------------------------------------------------- messages that mean one thing

/** Byte fields (single or repeated) that always hold the same message, by message and field. */
const fixed: Readonly<Record<string, Readonly<Record<string, MessageInfo>>>> = {
  "common.Envelope": { payload: common.Payload },
  "common.Header": { channel_header: common.ChannelHeader, signature_header: common.SignatureHeader },
  "common.SignatureHeader": { creator: msp.SerializedIdentity },
  "common.BlockData": { data: common.Envelope },
  "common.ConfigUpdateEnvelope": { config_update: common.ConfigUpdate },
  "common.ConfigSignature": { signature_header: common.SignatureHeader },
  "protos.TransactionAction": { header: common.SignatureHeader, payload: protos.ChaincodeActionPayload },
  "protos.ChaincodeActionPayload": { chaincode_proposal_payload: protos.ChaincodeProposalPayload },
  "protos.ChaincodeEndorsedAction": { proposal_response_payload: protos.ProposalResponsePayload },
  "protos.ChaincodeProposalPayload": { input: protos.ChaincodeInvocationSpec },
  "protos.ChaincodeAction": { results: rwset.TxReadWriteSet, events: protos.ChaincodeEvent },
  "protos.ProposalResponsePayload": { extension: protos.ChaincodeAction }
}

/** Message fields whose members stand in a known place. */
const placed: Readonly<Record<string, Readonly<Record<string, Shape>>>> = {
  "common.Config": { channel_group: channel },
  "common.ConfigUpdate": { read_set: channel, write_set: channel },
  "rwset.TxReadWriteSet": { ns_rwset: nsRwset }
}

const payloads: ReadonlyMap<number, MessageInfo> = new Map<number, MessageInfo>([
  [common.HeaderType.MESSAGE, common.ConfigValue],
  [common.HeaderType.CONFIG, common.ConfigEnvelope],
  [common.HeaderType.CONFIG_UPDATE, common.ConfigUpdateEnvelope],
  [common.HeaderType.ENDORSER_TRANSACTION, protos.Transaction],
  [common.HeaderType.ORDERER_TRANSACTION, common.Envelope]
])
const principals: ReadonlyMap<number, MessageInfo> = new Map<number, MessageInfo>([
  [common.MSPPrincipal_Classification.ROLE, common.MSPRole],
  [common.MSPPrincipal_Classification.ORGANIZATION_UNIT, common.OrganizationUnit],
  [common.MSPPrincipal_Classification.IDENTITY, msp.SerializedIdentity]
])
const policies: ReadonlyMap<number, MessageInfo> = new Map<number, MessageInfo>([
  [common.Policy_PolicyType.SIGNATURE, common.SignaturePolicyEnvelope],
  [common.Policy_PolicyType.IMPLICIT_META, common.ImplicitMetaPolicy]
])
const mspConfigs: ReadonlyMap<number, MessageInfo> = new Map<number, MessageInfo>([
  [0, msp.FabricMSPConfig],
  [1, msp.IdemixMSPConfig]
])

/** One property of a message whose type is only known by its `MessageInfo`. */
export const property = (message: object, name: string): unknown => Reflect.get(message, name)

const chosen = (
  types: ReadonlyMap<number, MessageInfo>,
  by: unknown,
  unknown: (by: unknown) => string
): Either.Either<Shape, ProtolatorError> => {
  const type = typeof by === "number" ? types.get(by) : undefined
  return type === undefined ? refuse(unknown(by)) : Either.right(plain(type))
}

const payloadData = (payload: object): Either.Either<Shape, ProtolatorError> => {
  const header = property(payload, "header")
  if (typeof header !== "object" || header === null)
    return refuse("cannot determine payload type when header is missing")
  const bytes = property(header, "channelHeader")
  try {
    const { type } = common.ChannelHeader.decode(bytes instanceof Uint8Array ? bytes : new Uint8Array())
    return chosen(payloads, type, () => `decoding type ${type} is unimplemented`)
  } catch (error) {
    return refuse(`corrupt channel header: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Byte fields whose message depends on the other fields, by message and field. */
const varying: Readonly<
  Record<string, Readonly<Record<string, (message: object) => Either.Either<Shape, ProtolatorError>>>>
> = {
  "common.Payload": { data: payloadData },
  "common.Policy": {
    value: (m) => chosen(policies, property(m, "type"), (type) => `unable to decode policy type: ${String(type)}`)
  },
  "common.MSPPrincipal": {
    principal: (m) => {
      const by = property(m, "principalClassification")
      const name = typeof by === "number" ? (common.MSPPrincipal_ClassificationInfo.nameOf(by) ?? by) : by
      return chosen(principals, by, () => `unable to decode MSP type: ${String(name)}`)
    }
  },
  "msp.MSPConfig": {
    config: (m) => chosen(mspConfigs, property(m, "type"), (type) => `unable to decode MSP type: ${String(type)}`)
  },
  "orderer.ConsensusType": {
    metadata: (m) => Either.right(plain(property(m, "type") === "etcdraft" ? etcdraft.ConfigMetadata : google.Empty))
  }
}

const entry = <A>(table: Readonly<Record<string, Readonly<Record<string, A>>>>, type: string, field: string) => {
  const fields = Object.hasOwn(table, type) ? table[type] : undefined
  return fields !== undefined && Object.hasOwn(fields, field) ? fields[field] : undefined
}

/** What to do with a field: its message stands here, or its bytes hold a message; undefined leaves it as it is. */
export type Plan =
  | { readonly kind: "member"; readonly of: (key: string) => Either.Either<Shape, ProtolatorError> }
  | {
      readonly kind: "opaque"
      readonly varying: boolean
      readonly of: (message: object) => Either.Either<Shape, ProtolatorError>
    }

/** The plan for one field of a message of this shape; `message` is the message (or its plain part) itself. */
export const planOf = (shape: Shape, field: string, message: object): Plan | undefined => {
  const { typeName } = shape.type
  const member = shape.member
  if (member?.(field, "") !== undefined) {
    return { kind: "member", of: (key) => member(field, key) ?? refuse(`Not a dynamic field: ${field}`) }
  }
  // Read-write sets of another data model than key-value stay as they are.
  const place = entry(placed, typeName, field)
  if (place !== undefined && (typeName !== "rwset.TxReadWriteSet" || property(message, "dataModel") === 0)) {
    return { kind: "member", of: () => Either.right(place) }
  }
  const varies = shape.opaque?.(field)
  if (varies !== undefined) return { kind: "opaque", varying: true, of: () => varies }
  const byMessage = entry(varying, typeName, field)
  if (byMessage !== undefined) return { kind: "opaque", varying: true, of: byMessage }
  const always = entry(fixed, typeName, field)
  if (always !== undefined) return { kind: "opaque", varying: false, of: () => Either.right(plain(always)) }
  if (typeName === "common.ConfigUpdate" && field === "isolated_data") {
    return { kind: "opaque", varying: false, of: () => refuse("Unknown map key") }
  }
  return undefined
}

// --------------------------------------------------------------------------------------------------------- registry

const isMessageInfo = (value: unknown): value is MessageInfo =>
  typeof value === "object" && value !== null && "typeName" in value && "fields" in value && "decode" in value

const registry: ReadonlyMap<string, MessageInfo> = new Map(
  [
    ccprovider,
    common,
    discovery,
    etcdraft,
    google,
    gossip,
    kvrwset,
    msp,
    orderer,
    protos,
    queryresult,
    rwset,
    transientstore
  ].flatMap((module) =>
    Object.values(module)
      .filter(isMessageInfo)
      .map((type) => [type.typeName, type] as const)
  )
)

/** The message of a full name such as `common.Config`; undefined when there is none. */
export const messageNamed = (name: string): MessageInfo | undefined => registry.get(name)

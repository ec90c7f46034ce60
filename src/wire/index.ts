/**
 * The messages and services of Fabric 1.4, one namespace per proto package: `common.Envelope.decode(bytes)`,
 * `.encode(partial)`, `.create(partial)`, and the interface of the same name. See README.md.
 */

export type { EnumInfo, FieldInfo, Init, MessageInfo, MessageType, ScalarKind } from "./codec.js"
export { EMPTY, WireError } from "./codec.js"
export {
  ccprovider,
  common,
  discovery,
  etcdraft,
  google,
  gossip,
  kvrwset,
  lifecycle,
  msp,
  orderer,
  privacyenabledstate,
  protos,
  queryresult,
  rwset,
  token,
  transientstore
} from "./gen/index.js"

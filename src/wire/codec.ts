/** What generated code and its callers stand on; see reader.ts, writer.ts and types.ts. */
export { EMPTY } from "./bytes.js"
export { WireError } from "./errors.js"
export { invalidUtf8, MAX_DEPTH, noMapValue, Reader, tooDeep } from "./reader.js"
export type { EnumInfo, FieldInfo, Init, MessageInfo, MessageType, ScalarKind } from "./types.js"
export { enumInfo } from "./types.js"
export type { Writer } from "./writer.js"
export { borrowWriter, descendingEntries, noElement, returnWriter } from "./writer.js"

/**
 * configtxlator (rank 10): the command, its translations as functions, and the REST interface. Imports channelconfig,
 * protolator, runtime.
 */
export { configtxlator } from "./command.js"
export { BindFailed, handle, listen, type RestRequest, type RestResponse } from "./rest.js"
export { type SanityMessages, sanityCheck } from "./sanityCheck.js"
export { protoDecode, protoEncode, TranslationFailed, updateBetween } from "./translate.js"

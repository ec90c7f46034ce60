/** configtxgen (rank 10): the command; what it makes lives in channelconfig. Imports channelconfig, protolator, runtime. */
export { configtxgen } from "./command.js"

/** System chaincodes as chaincode support calls them: results become responses, thrown state errors become failures. */
import * as Effect from "effect/Effect"
import type { ChaincodeStub, SystemChaincode } from "../../chaincode/support/SystemChaincode.js"
import { failure, success } from "../../chaincode/support/SystemChaincode.js"
import { textOf } from "../../runtime/Stage.js"
import { queryresult } from "../../wire/index.js"
import { fail, type StateEntry, type SystemCallFailed, type SystemChaincodeCode, type SystemStub } from "./stub.js"

const attempt = <A>(run: () => A): Effect.Effect<A, SystemCallFailed> =>
  Effect.try({ try: run, catch: (error) => fail(textOf(error)) })

const stubOf = (stub: ChaincodeStub): SystemStub => ({
  channelId: stub.channelId,
  txId: stub.txId,
  args: stub.args,
  signedProposal: stub.signedProposal,
  getState: (key) => attempt(() => stub.getState(key)),
  putState: (key, value) => attempt(() => stub.putState(key, value)),
  allState: attempt(() => {
    const entries: Array<StateEntry> = []
    for (const bytes of stub.stateByRange("", "")) {
      const { key, value } = queryresult.KV.decode(bytes)
      entries.push({ key, value })
    }
    return entries
  }),
  setEvent: (name, payload) => Effect.sync(() => stub.setEvent(name, payload))
})

/** R79: status 200 with the payload, or 500 with the reason. */
export const asSystemChaincode = (code: SystemChaincodeCode): SystemChaincode => ({
  name: code.name,
  init: () => Effect.succeed(success()),
  invoke: (stub) =>
    Effect.match(code.invoke(stubOf(stub)), {
      onFailure: (error) => failure(error.reason),
      onSuccess: (payload) => success(payload)
    })
})

/** The whole of core.yaml. */
import type * as Schema from "effect/Schema"
import { section } from "../schema.js"
import { chaincode, vm } from "./chaincode.js"
import { ledger } from "./ledger.js"
import { metrics, operations, tracing } from "./observability.js"
import { peer } from "./peer.js"

export const CoreYaml = section("", "core.yaml: the peer.", {
  peer,
  vm,
  chaincode,
  ledger,
  operations,
  metrics,
  tracing
})

/** The decoded values of core.yaml, keys in camel case. */
export type CoreValues = Schema.Schema.Type<typeof CoreYaml>

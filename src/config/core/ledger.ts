/** `ledger` of core.yaml. Source: peer-endorse-validate.md 2.2; ledger-privatedata.md. */
import { bool, count, duration, text } from "../fields.js"
import { section } from "../schema.js"

const couchDBConfig = section("couchDBConfig", "CouchDB as the state database.", {
  couchDBAddress: text("couchDBAddress", "`host:port` of CouchDB.", { sample: "127.0.0.1:5984" }),
  username: text("username", "User of CouchDB.", { sample: "" }),
  password: text("password", "Its password.", { secret: true, sample: "" }),
  maxRetries: count("maxRetries", "Tries of a request.", { fallback: "0", sample: "3" }),
  maxRetriesOnStartup: count("maxRetriesOnStartup", "Tries of a request while the peer starts.", {
    fallback: "0",
    sample: "12"
  }),
  requestTimeout: duration("requestTimeout", "Limit of a request.", { fallback: "0s", sample: "35s" }),
  internalQueryLimit: count("internalQueryLimit", "Records that one query reads at a time.", {
    fallback: "1000",
    sample: "1000"
  }),
  maxBatchUpdateSize: count("maxBatchUpdateSize", "Records written in one request.", {
    fallback: "500",
    sample: "1000"
  }),
  warmIndexesAfterNBlocks: count("warmIndexesAfterNBlocks", "Blocks after which indexes are brought up to date.", {
    fallback: "1",
    sample: "1"
  }),
  autoWarmIndexes: bool("autoWarmIndexes", "Bring indexes up to date after commits.", { fallback: "true" }),
  createGlobalChangesDB: bool("createGlobalChangesDB", "Create CouchDB's database of all changes.", {
    fallback: "false",
    sample: "false"
  })
})

export const ledger = section("ledger", "Ledgers.", {
  state: section("state", "The state database.", {
    stateDatabase: text("stateDatabase", "`goleveldb`: the built-in store; `CouchDB`.", {
      zeroIsUnset: true,
      fallback: "goleveldb",
      sample: "goleveldb"
    }),
    totalQueryLimit: count("totalQueryLimit", "Most records that a query of a chaincode gets.", {
      fallback: "10000",
      sample: "100000"
    }),
    embeddedRichQueries: bool("embeddedRichQueries", "Answer rich queries from the built-in store too.", {
      fallback: "false",
      ours: true
    }),
    mappedMemoryLimit: count(
      "mappedMemoryLimit",
      "MiB of the built-in stores' files that may count as the peer's memory before they are given back; 0: no limit. On Linux.",
      { fallback: "48", ours: true }
    ),
    couchDBConfig
  }),
  history: section("history", "The history of keys.", {
    enableHistoryDatabase: bool("enableHistoryDatabase", "Keep it.", { fallback: "false", sample: "true" })
  }),
  pvtdataStore: section("pvtdataStore", "The store of private data.", {
    purgeInterval: count("purgeInterval", "Blocks between two purges of expired data.", {
      zeroIsUnset: true,
      fallback: "100"
    }),
    collElgProcMaxDbBatchSize: count(
      "collElgProcMaxDbBatchSize",
      "Entries converted at a time when a collection becomes visible.",
      {
        zeroIsUnset: true,
        fallback: "5000"
      }
    ),
    collElgProcDbBatchesInterval: count("collElgProcDbBatchesInterval", "Milliseconds between two such conversions.", {
      zeroIsUnset: true,
      fallback: "1000"
    })
  })
})

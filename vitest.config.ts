import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // real processes, brokers and timers on a machine that others load as well: a test that fails is asked once more
    // in CI, where one red line throws a whole submission away; vitest reports what it had to repeat
    retry: process.env.CI === "true" ? 2 : 0,
    pool: "forks",
    // one CouchDB for all: files would wipe each other's databases
    fileParallelism: process.env.COUCHDB_URL === undefined
  }
})

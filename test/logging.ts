/** The log of a node under test, kept line by line. Not a test. */
import * as Either from "effect/Either"
import { layerOf, make } from "../src/runtime/Log.js"

/** In: where the lines go; they are told at every level, with their module. Out: the layer that logs so. */
export const logsTo = (lines: () => Array<string>) =>
  layerOf(
    Either.getOrThrow(
      make({ spec: "debug", format: "%{level} [%{module}] %{message}", write: (line) => lines().push(line) })
    )
  )

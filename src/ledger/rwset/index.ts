/** Read-write sets: building them in simulation, taking them apart in validation. Pure; imports wire only. */
export * from "./decode.js"
export * from "./RangeResults.js"
export * from "./RWSetBuilder.js"

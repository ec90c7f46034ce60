/**
 * The operations service: /healthz, /metrics, /logspec, /version. Rank 2: imports config, crypto and runtime. node:http
 * directly, for start time and exactness (Operations.ts).
 */
export type { FailedCheck, HealthCheck } from "./checks.js"
export { CheckerExists, OperationsFailed } from "./errors.js"
export { providerOf } from "./metrics.js"
export { make as makeOperations, Operations, type OperationsOptions, type OperationsTls } from "./Operations.js"

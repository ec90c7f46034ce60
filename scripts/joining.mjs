// How programs are joined into a few files with esbuild: by `npm run build` (bundle.mjs) and by tests (test/joined.ts).
// Native and rarely used packages stay outside.
export const joining = {
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  external: ["lmdb", "koffi", "kafkajs", "dockerode", "@datadog/pprof"],
  // packages of the older kind ask for `require`
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);'
  },
  logLevel: "warning"
}

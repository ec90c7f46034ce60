import type { BuildOptions } from "esbuild"

export declare const joining: Pick<
  BuildOptions,
  "bundle" | "platform" | "format" | "target" | "external" | "banner" | "logLevel"
>

/** What the program says of itself. Source: orderer.md 2.1; orderer/common/metadata/metadata.go. */

/** The version of Fabric that this orderer is. */
export const version = "1.4.12"
export const commitSha = "development build"

export interface RuntimeInfo {
  /** `v20.20.2` */
  readonly node: string
  /** As Go names them: `linux`, `amd64`. */
  readonly os: string
  readonly arch: string
}

const architectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" }

export const runtimeInfo = ({
  arch,
  platform,
  version: node
}: Pick<NodeJS.Process, "arch" | "platform" | "version">): RuntimeInfo => ({
  node,
  os: platform === "win32" ? "windows" : platform,
  arch: architectures[arch] ?? arch
})

/** Five lines; the third names the runtime where the reference names Go. */
export const versionInfo = (runtime: RuntimeInfo): string =>
  `orderer:\n Version: ${version}\n Commit SHA: ${commitSha}\n Go version: node ${runtime.node}\n OS/Arch: ${runtime.os}/${runtime.arch}\n`

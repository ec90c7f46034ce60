/** What this peer calls itself. Source: common/metadata/metadata.go, peer/version/version.go. */

/**
 * The release that this peer is compatible with. It is the version of the system chaincodes, which enters endorsed bytes:
 * any other value makes its endorsements of lscc differ from those of Go peers (peer-endorse-validate.md trap 2).
 */
export const compatibleVersion = "1.4.12"
export const commitSha = "development build"

/** Of the images that chaincode is built on. */
export const baseImageVersion = "0.4.22"

const architectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" }

/** The block that `peer version` prints and the log begins with; Node stands where the reference names Go. */
export const versionInfo = ({
  arch,
  platform,
  version
}: Pick<NodeJS.Process, "arch" | "platform" | "version">): string =>
  [
    "peer:",
    ` Version: ${compatibleVersion}`,
    ` Commit SHA: ${commitSha}`,
    ` Go version: node ${version}`,
    ` OS/Arch: ${platform === "win32" ? "windows" : platform}/${architectures[arch] ?? arch}`,
    " Chaincode:",
    `  Base Image Version: ${baseImageVersion}`,
    "  Base Docker Namespace: hyperledger",
    "  Base Docker Label: org.hyperledger.fabric",
    "  Docker Namespace: hyperledger",
    "",
    ""
  ].join("\n")

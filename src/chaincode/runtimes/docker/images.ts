/**
 * Which images chaincode is built on and how: templates of image names, generated Dockerfiles, build commands. Pure.
 * Source: chaincode.md section 2, R17, R74; core/chaincode/platforms, core/container/util/dockerutil.go.
 */
import type { PlatformName } from "../../packages/platforms.js"

/** What stands in the names of images and in their labels. */
export interface ImageVersions {
  /** Go's name of the processor: `amd64`. */
  readonly arch: string
  /** `1.4.12`. */
  readonly peer: string
  readonly base: string
}

const NAMESPACE = "hyperledger"
const LABEL = "org.hyperledger.fabric"

const goArchitectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" }
/** `process.arch` in Go's words. */
export const goArch = (arch: string): string => goArchitectures[arch] ?? arch

const twoDigits = (version: string): string => {
  const dot = version.lastIndexOf(".")
  return dot < 0 ? version : version.slice(0, dot)
}

/** Fills in a template such as `$(DOCKER_NS)/fabric-ccenv:$(TWO_DIGIT_VERSION)`. */
export const expandTemplate = (template: string, { arch, base, peer }: ImageVersions): string => {
  const values: Readonly<Record<string, string>> = {
    ARCH: arch,
    PROJECT_VERSION: peer,
    TWO_DIGIT_VERSION: twoDigits(peer),
    BASE_VERSION: base,
    DOCKER_NS: NAMESPACE,
    BASE_DOCKER_NS: NAMESPACE
  }
  return template.replace(/\$\(([A-Z_]+)\)/g, (whole, name: string) => values[name] ?? whole)
}

/** Images by their place in core.yaml, with the templates as they stand there. */
export interface ImageSettings {
  /** `chaincode.builder`. */
  readonly builder: string
  /** `chaincode.<platform>.runtime`. */
  readonly runtime: Readonly<Record<PlatformName, string>>
  /** `chaincode.golang.dynamicLink`. */
  readonly dynamicLink: boolean
}

const PLACES: Readonly<Record<PlatformName, string>> = {
  GOLANG: "/usr/local/bin",
  CAR: "/usr/local/bin",
  NODE: "/usr/local/src",
  JAVA: "/root/chaincode-java/chaincode"
}

/** The Dockerfile of a chaincode's image. */
export const dockerfileOf = (
  platform: PlatformName,
  name: string,
  version: string,
  { runtime }: ImageSettings,
  versions: ImageVersions
): string =>
  [
    `FROM ${expandTemplate(runtime[platform], versions)}`,
    `ADD binpackage.tar ${PLACES[platform]}`,
    `LABEL ${LABEL}.chaincode.id.name="${name}" \\`,
    `      ${LABEL}.chaincode.id.version="${version}" \\`,
    `      ${LABEL}.chaincode.type="${platform}" \\`,
    `      ${LABEL}.version="${versions.peer}" \\`,
    `      ${LABEL}.base.version="${versions.base}"`,
    `ENV CORE_CHAINCODE_BUILDLEVEL=${versions.peer}`
  ].join("\n")

/** What makes a platform's `binpackage.tar`: a command in a container that finds the code below /chaincode/input. */
export interface BuildStep {
  readonly image: string
  readonly command: string
}

const STATIC_LINK = "-ldflags \"-linkmode external -extldflags '-static'\""

/** The import path of Go code as the reference reads it from a chaincode's path; undefined when it is none. */
export const importPathOf = (path: string): string | undefined => {
  let place = path
  const scheme = /^https?:\/\//.exec(path)
  if (scheme !== null) place = path.slice(scheme[0].length)
  if (place.length < 2) return undefined
  return place.endsWith("/") ? place.slice(0, -1) : place
}

/** The build of a platform; a string says why there can be none. `path` is the chaincode's path. */
export const buildStepOf = (
  platform: PlatformName,
  path: string,
  { builder, dynamicLink, runtime }: ImageSettings,
  versions: ImageVersions
): BuildStep | string => {
  const image = expandTemplate(builder, versions)
  switch (platform) {
    case "GOLANG": {
      const place = importPathOf(path)
      if (place === undefined) return "could not decode url: ChaincodeSpec's path/URL invalid"
      // the path was given by whoever installed the package, and this is a line of shell
      if (!/^[\w./@+~-]+$/.test(place)) return `could not decode url: "${place}" is no import path`
      const flags = dynamicLink ? "" : STATIC_LINK
      return {
        image,
        command: `GOPATH=/chaincode/input:$GOPATH go build  ${flags} -o /chaincode/output/chaincode ${place}`
      }
    }
    case "NODE":
      return {
        image,
        command: "cp -R /chaincode/input/src/. /chaincode/output && cd /chaincode/output && npm install --production"
      }
    case "JAVA":
      return { image: expandTemplate(runtime.JAVA, versions), command: "./build.sh" }
    case "CAR":
      return {
        image,
        command:
          "java -jar /usr/local/bin/chaintool buildcar /chaincode/input/codepackage.car -o /chaincode/output/chaincode"
      }
  }
}

/** The command line of a chaincode's container (R17). */
export const launchCommand = (platform: PlatformName, peerAddress: string): ReadonlyArray<string> => {
  switch (platform) {
    case "GOLANG":
    case "CAR":
      return ["chaincode", `-peer.address=${peerAddress}`]
    case "NODE":
      return ["/bin/sh", "-c", `cd /usr/local/src; npm start -- --peer.address ${peerAddress}`]
    case "JAVA":
      return ["/root/chaincode-java/start", "--peerAddress", peerAddress]
  }
}

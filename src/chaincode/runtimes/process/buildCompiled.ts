/**
 * Go and Java packages, built with what the machine has: Go from what the package vendors or pins exactly (or a binary
 * made beforehand), Java with the build tool that the package is written for.
 * Source: chaincode.md R17, R74; issue 7 part 2.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type { LaunchRequest } from "../ContainerRuntime.js"
import { type BuildError, type BuildOptions, buildOnce, buildTool, type Prepared, refuse } from "./builds.js"
import { disk } from "./errors.js"
import { exists } from "./Folders.js"

// ---- Go ----------------------------------------------------------------------------------------------------------

const executable = (file: string): Promise<boolean> =>
  fs.access(file, fs.constants.X_OK).then(
    () => true,
    () => false
  )

/** A binary made beforehand, undefined when there is none for this chaincode. */
const prebuiltBinary = async (request: LaunchRequest, folder: string): Promise<string | undefined> => {
  if (folder === "") return undefined
  for (const name of [`${request.name}-${request.version}`, request.name]) {
    const file = path.resolve(folder, name)
    if (await executable(file)) return file
  }
  return undefined
}

const goArguments = (peerAddress: string): ReadonlyArray<string> => [`-peer.address=${peerAddress}`]

/** The import path without a scheme and a closing slash, safe to be joined to a folder. */
const importPath = (request: LaunchRequest): Effect.Effect<string, BuildError> => {
  const place = request.path.replace(/^https?:\/\//, "").replace(/\/$/, "")
  const safe = place.length >= 2 && !place.startsWith("/") && !place.startsWith("-") && !place.split("/").includes("..")
  return safe ? Effect.succeed(place) : refuse(request, "could not decode url: ChaincodeSpec's path/URL invalid")
}

/** A Go package: `go build` in module mode where it has a go.mod, otherwise with the package as first GOPATH entry. */
export const prepareGo = (request: LaunchRequest, options: BuildOptions): Effect.Effect<Prepared, BuildError> =>
  Effect.gen(function* () {
    const prebuilt = yield* disk(() => prebuiltBinary(request, options.prebuilt))
    if (prebuilt !== undefined) {
      return {
        command: [prebuilt, ...goArguments(request.peerAddress)],
        directory: options.folders.home,
        environment: {}
      }
    }
    const place = yield* importPath(request)
    const folder = yield* buildOnce(request, options, (unfinished) =>
      Effect.gen(function* () {
        const sources = path.join(unfinished, "src", place)
        const [isModule, vendors] = yield* disk(() =>
          Promise.all([exists(path.join(sources, "go.mod")), exists(path.join(sources, "vendor"))])
        )
        const output = ["build", "-o", path.join(unfinished, "chaincode")]
        if (isModule) {
          yield* buildTool(options, sources, "go", [...output, vendors ? "-mod=vendor" : "-mod=readonly", "."])
        } else {
          const inherited = options.environment.GOPATH
          const GOPATH = inherited === undefined || inherited === "" ? unfinished : `${unfinished}:${inherited}`
          yield* buildTool(options, unfinished, "go", [...output, place], { GOPATH, GO111MODULE: "off" })
        }
      })
    )
    return {
      command: [path.join(folder, "chaincode"), ...goArguments(request.peerAddress)],
      directory: options.folders.home,
      environment: {}
    }
  })

// ---- Java --------------------------------------------------------------------------------------------------------

interface JavaTool {
  readonly file: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** Where the runnable archive lies afterwards. */
  readonly output: string
}

const JAVA_TOOLS: ReadonlyArray<JavaTool> = [
  {
    file: "gradlew",
    command: "sh",
    args: ["gradlew", "--no-daemon", "build", "shadowJar", "-x", "test"],
    output: "build/libs"
  },
  {
    file: "build.gradle",
    command: "gradle",
    args: ["--no-daemon", "build", "shadowJar", "-x", "test"],
    output: "build/libs"
  },
  { file: "pom.xml", command: "mvn", args: ["-B", "-q", "package", "-DskipTests"], output: "target" }
]

const buildJava = (request: LaunchRequest, options: BuildOptions, folder: string): Effect.Effect<void, BuildError> =>
  Effect.gen(function* () {
    const sources = path.join(folder, "src")
    const there = yield* disk(() => fs.readdir(sources))
    const tool = JAVA_TOOLS.find(({ file }) => there.includes(file))
    if (tool === undefined) return yield* refuse(request, "Not build.gradle nor pom.xml found in chaincode source")
    const { home } = options.folders
    // Java asks the system for the home of another user, who may have none, and not the environment
    const [args, further] =
      options.uid === undefined
        ? [tool.args, {}]
        : [
            tool.command === "mvn" ? [...tool.args, `-Duser.home=${home}`] : tool.args,
            { GRADLE_USER_HOME: path.join(home, ".gradle") }
          ]
    yield* buildTool(options, sources, tool.command, args, further)
    const output = path.join(sources, tool.output)
    const archives = (yield* disk(() => fs.readdir(output))).filter((file) => file.endsWith(".jar"))
    const archive = archives.includes("chaincode.jar")
      ? "chaincode.jar"
      : archives.length === 1
        ? archives[0]
        : undefined
    if (archive === undefined) {
      return yield* refuse(
        request,
        `the build must leave chaincode.jar in ${tool.output}, found [${archives.join(" ")}]`
      )
    }
    yield* disk(() => fs.copyFile(path.join(output, archive), path.join(folder, "chaincode.jar")))
  })

/** A Java package, built by its own tool into one runnable archive. */
export const prepareJava = (request: LaunchRequest, options: BuildOptions): Effect.Effect<Prepared, BuildError> =>
  Effect.map(
    buildOnce(request, options, (unfinished) => buildJava(request, options, unfinished)),
    (folder) => ({
      command: ["java", "-jar", path.join(folder, "chaincode.jar"), "--peerAddress", request.peerAddress],
      directory: options.folders.home,
      environment: {}
    })
  )

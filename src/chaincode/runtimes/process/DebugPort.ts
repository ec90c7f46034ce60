/**
 * A debugger's way to a chaincode process: a port of the peer that leads to the process's inspector. Going through the
 * peer tells it whether a debugger is attached, which no inspector says: as long as one is, executions have no limit.
 * Loopback only. Source: issue 7 part 3.
 */
import * as net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { StartFailed } from "../ContainerRuntime.js"

export interface DebugPort {
  /** Where debuggers connect. */
  readonly port: number
  /** Where the process's inspector must listen. */
  readonly innerPort: number
  /** Whether a debugger is attached now. */
  readonly attached: () => boolean
}

const LOOPBACK = "127.0.0.1"
/** A request for the list of targets comes and goes; one for a WebSocket stays and is a debugger. */
const UPGRADE = /^GET [^\r\n]*\r\n(?:[^\r\n]+\r\n)*?upgrade: *websocket\r\n/i
const MAX_HEAD = 16 * 1024

/** Carries one connection over; `began` is told when it turns out to be a debugger's. */
const carry = (from: net.Socket, innerPort: number, began: () => void): void => {
  const to = net.connect(innerPort, LOOPBACK)
  const end = () => {
    from.destroy()
    to.destroy()
  }
  for (const socket of [from, to]) socket.on("error", end).on("close", end)
  let head = ""
  from.on("data", (chunk: Buffer) => {
    if (head.length >= MAX_HEAD) return
    head += chunk.toString("latin1")
    if (!UPGRADE.test(head)) return
    head = " ".repeat(MAX_HEAD)
    began()
  })
  from.pipe(to)
  to.pipe(from)
}

const listen = (server: net.Server, port: number): Effect.Effect<number, Error> =>
  Effect.async((resume) => {
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(port, LOOPBACK, () => {
      const bound = server.address()
      resume(Effect.succeed(typeof bound === "object" && bound !== null ? bound.port : port))
    })
  })

/** A port that nobody listens on at the moment. */
const freePort = Effect.acquireUseRelease(
  Effect.sync(() => net.createServer()),
  (server) => listen(server, 0),
  (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
)

/** Opens the way for as long as the scope lives. Port 0 takes any. */
export const openDebugPort = (chaincode: string, port: number): Effect.Effect<DebugPort, StartFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const innerPort = yield* freePort
    const debuggers = new Set<net.Socket>()
    const open = new Set<net.Socket>()
    const server = yield* Effect.acquireRelease(
      Effect.sync(() =>
        net.createServer((socket) => {
          open.add(socket)
          socket.once("close", () => {
            open.delete(socket)
            debuggers.delete(socket)
          })
          carry(socket, innerPort, () => debuggers.add(socket))
        })
      ),
      (made) =>
        Effect.sync(() => {
          made.close()
          for (const socket of open) socket.destroy()
        })
    )
    const bound = yield* listen(server, port)
    server.on("error", () => {})
    return { port: bound, innerPort, attached: () => debuggers.size > 0 }
  }).pipe(
    Effect.mapError(
      (error) => new StartFailed({ chaincode, reason: `cannot open the debugger port: ${error.message}` })
    )
  )

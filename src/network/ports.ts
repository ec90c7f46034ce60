/** Loopback ports: free ones for tests, Fabric's own for `up`. */
import * as net from "node:net"
import * as Effect from "effect/Effect"
import { NetworkRefused } from "./errors.js"
import type { NetworkPorts, PeerPlace, PeerPorts } from "./layout.js"

const LOOPBACK = "127.0.0.1"

const listen = (port: number): Effect.Effect<net.Server, NodeJS.ErrnoException> =>
  Effect.async((resume) => {
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      return resume(Effect.fail(Object.assign(new Error("no port number"), { code: "ERANGE" })))
    const server = net.createServer()
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => resume(Effect.succeed(server)))
  })

const close = (server: net.Server): Effect.Effect<void> =>
  Effect.async((resume) => {
    server.close(() => resume(Effect.void))
  })

/** That many different free ports: all are held until all are known. */
export const freePorts = (count: number): Effect.Effect<ReadonlyArray<number>, NetworkRefused> =>
  Effect.scoped(
    Effect.forEach(Array.from({ length: count }), () =>
      Effect.map(Effect.acquireRelease(listen(0), close), (server) => {
        const address = server.address()
        return typeof address === "object" && address !== null ? address.port : 0
      })
    )
  ).pipe(
    Effect.mapError(
      ({ message }) =>
        new NetworkRefused({ reason: `no free loopback port: ${message}`, remedy: "stop other programs" })
    )
  )

/** Fails with one line when a port is taken. */
export const requireFree = (port: number, what: string): Effect.Effect<void, NetworkRefused> =>
  Effect.acquireUseRelease(listen(port), () => Effect.void, close).pipe(
    Effect.mapError(
      ({ code, message }) =>
        new NetworkRefused({
          reason:
            code === "EADDRINUSE" ? `port ${port} (${what}) is in use` : `port ${port} (${what}): ${code ?? message}`,
          remedy: "stop the program that holds it, or choose other ports with --base-port or --free-ports"
        })
    )
  )

/** Ports in Fabric's manner: 7050 for the orderer, 7051, 8051, … for the peers, shifted by `base - 7050`. */
export const usualPorts = (peers: ReadonlyArray<Pick<PeerPlace, "host">>, base = 7050): NetworkPorts => ({
  orderer: base,
  ordererOperations: base + 1393,
  peers: Object.fromEntries(
    peers.map(({ host }, i) => {
      const at = base + 1000 * i
      return [host, { peer: at + 1, chaincode: at + 2, operations: base + 2393 + i }]
    })
  )
})

/** Free ports for everything. */
export const anyPorts = (peers: ReadonlyArray<Pick<PeerPlace, "host">>): Effect.Effect<NetworkPorts, NetworkRefused> =>
  Effect.map(freePorts(2 + 3 * peers.length), (free) => {
    const at = (i: number): number => free[i] ?? 0
    return {
      orderer: at(0),
      ordererOperations: at(1),
      peers: Object.fromEntries(
        peers.map(({ host }, i) => [host, { peer: at(2 + 3 * i), chaincode: at(3 + 3 * i), operations: at(4 + 3 * i) }])
      )
    }
  })

const isFree = (port: number): Effect.Effect<boolean> =>
  Effect.acquireUseRelease(listen(port), () => Effect.void, close).pipe(Effect.isSuccess)

/** Ports of one more peer: the next in Fabric's row where they are free, any free ones otherwise. */
export const nextPorts = ({ peers }: NetworkPorts): Effect.Effect<PeerPorts, NetworkRefused> =>
  Effect.gen(function* () {
    const own = Object.values(peers)
    const peer = 1000 + Math.max(0, ...own.map((ports) => ports.peer))
    const next = {
      peer,
      chaincode: peer + 1,
      operations: 1 + Math.max(0, ...own.map(({ operations }) => operations))
    }
    const taken = new Set(own.flatMap((ports) => Object.values(ports)))
    const wanted = Object.values(next)
    // out of the row means that the others' ports are any free ones too
    const inRow = own.every(({ peer: one }) => one < 20_000) && wanted.every((port) => !taken.has(port))
    if (inRow && (yield* Effect.forEach(wanted, isFree)).every(Boolean)) return next
    const [first = 0, second = 0, third = 0] = yield* freePorts(3)
    return { peer: first, chaincode: second, operations: third }
  })

/** Every port with what it is for. */
export const portList = (ports: NetworkPorts): ReadonlyArray<readonly [number, string]> => [
  [ports.orderer, "orderer"],
  [ports.ordererOperations, "operations of the orderer"],
  ...Object.entries(ports.peers).flatMap(
    ([host, own]): ReadonlyArray<readonly [number, string]> => [
      [own.peer, host],
      [own.chaincode, `chaincode of ${host}`],
      [own.operations, `operations of ${host}`]
    ]
  )
]

/** At the desk: chaincode run from its folder and restarted on change; debuggers. */
import * as fs from "node:fs"
import * as http from "node:http"
import type { Socket } from "node:net"
import * as path from "node:path"
import { afterEach, describe, expect, it } from "vitest"
import { chaincodeFolder } from "./chaincodes.js"
import { TestPeer } from "./TestPeer.js"

let peer: TestPeer
afterEach(() => peer.stop())

const deploy = async () => {
  const folder = chaincodeFolder()
  peer.instantiate(await peer.install(folder, "probe"))
  return folder
}

describe("chaincode.watch", () => {
  it("runs the folder itself and starts anew when it changes, without a new install", async () => {
    const lines: Array<string> = []
    peer = await TestPeer.start({ process: { watch: true }, log: (line) => lines.push(line) })
    const folder = await deploy()
    const first = await peer.invoke("probe", ["pid"])
    expect((await peer.invoke("probe", ["cat", "package.json"])).status).toBe(200)
    const index = path.join(folder, "index.js")
    fs.writeFileSync(
      index,
      fs.readFileSync(index, "utf8").replace('noop: async () => "ok"', 'noop: async () => "changed"')
    )
    await expect.poll(() => lines.some((line) => line.includes("Chaincode probe:1.0 has changed"))).toBe(true)
    await expect.poll(() => lines.some((line) => line.includes("chaincode stream of probe:1.0 has ended"))).toBe(true)
    expect((await peer.invoke("probe", ["noop"])).payload).toBe("changed")
    expect((await peer.invoke("probe", ["pid"])).payload).not.toBe(first.payload)
  })

  it("is not on by itself", async () => {
    peer = await TestPeer.start()
    const folder = await deploy()
    const { payload } = await peer.invoke("probe", ["pid"])
    fs.appendFileSync(path.join(folder, "index.js"), "\n// changed\n")
    expect((await peer.invoke("probe", ["pid"])).payload).toBe(payload)
  })
})

describe("a debugger", () => {
  const get = (port: number, place: string): Promise<string> =>
    new Promise((resolve, reject) => {
      http
        .get({ host: "127.0.0.1", port, path: place }, (response) => {
          let text = ""
          response.on("data", (chunk: Buffer) => {
            text += chunk.toString()
          })
          response.on("end", () => resolve(text))
        })
        .on("error", reject)
    })

  const attach = (port: number, place: string): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const headers = {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13"
      }
      http
        .get({ host: "127.0.0.1", port, path: place, headers })
        .on("upgrade", (_, socket) => resolve(socket))
        .on("error", reject)
    })

  it("reaches the chaincode, and while it is attached nothing runs out of time", async () => {
    const lines: Array<string> = []
    peer = await TestPeer.start({
      settings: { executeTimeout: 300 },
      process: { inspect: 0 },
      log: (line) => lines.push(line)
    })
    await deploy()
    await peer.invoke("probe", ["noop"])
    const said = lines.find((line) => line.includes("Debuggers of chaincode probe:1.0 connect to"))
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(said ?? "")?.[1])
    const [target] = JSON.parse(await get(port, "/json/list"))
    expect(target.webSocketDebuggerUrl).toContain(`127.0.0.1:${port}/`)
    await expect(peer.invoke("probe", ["slow", "600"])).rejects.toThrow("timeout expired while executing transaction")
    const socket = await attach(port, `/${target.id}`)
    expect((await peer.invoke("probe", ["slow", "900"])).payload).toBe("awake")
    socket.destroy()
    await expect.poll(() => peer.runtime.debugged?.("probe:1.0")).toBe(false)
    await expect(peer.invoke("probe", ["slow", "600"])).rejects.toThrow("timeout expired while executing transaction")
  })
})

/** `vm.endpoint`: where the Docker daemon listens. Pure. Source: chaincode.md section 2; go-dockerclient's parseEndpoint. */

/** How a daemon is reached. */
export type DockerAddress =
  | { readonly socketPath: string }
  | { readonly protocol: "http" | "https"; readonly host: string; readonly port: number }

/** Undefined when the endpoint says nothing that can be dialled. */
export const dockerAddress = (endpoint: string, tls: boolean): DockerAddress | undefined => {
  const text = endpoint.includes("://") || endpoint === "" ? endpoint : `tcp://${endpoint}`
  const scheme = text.slice(0, Math.max(0, text.indexOf("://")))
  const rest = text.slice(scheme.length + 3)
  if (scheme === "unix" || scheme === "npipe") return rest === "" ? undefined : { socketPath: rest }
  if (scheme !== "http" && scheme !== "https" && scheme !== "tcp") return undefined
  let url: URL
  try {
    url = new URL(`http://${rest}`)
  } catch {
    return undefined
  }
  const protocol = tls || scheme === "https" ? "https" : "http"
  const host = url.hostname.replace(/^\[|\]$/g, "")
  if (host === "") return undefined
  if (url.port === "" && /:0*80(\/|$)/.test(rest)) return { protocol, host, port: 80 } // URL hides its own default
  if (url.port === "0") return undefined
  return { protocol, host, port: url.port === "" ? (protocol === "https" ? 443 : 80) : Number(url.port) }
}

/**
 * `vm.docker.hostConfig` as Docker's API takes it. Empty values are left out, as the reference's client leaves them out.
 * Pure. Source: chaincode.md section 2; getDockerHostConfig in core/container/dockercontroller/dockercontroller.go.
 */

/** JSON, as it goes into a request. */
export type Json = string | number | boolean | ReadonlyArray<Json> | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

/** The section of core.yaml, keys in camel case. */
export interface HostSettings {
  readonly networkMode: string
  readonly dns: ReadonlyArray<string>
  readonly dnsSearch: ReadonlyArray<string>
  readonly extraHosts: ReadonlyArray<string>
  readonly ipcMode: string
  readonly pidMode: string
  readonly utsMode: string
  /** `Type` and `Config`, keys in any case. */
  readonly logConfig: Json
  readonly memory: number
  readonly memorySwap: number
  readonly memorySwappiness: number
  readonly oomKillDisable: boolean
  readonly cpuShares: number
  readonly cpuset: string
  readonly cpusetCpus: string
  readonly cpusetMems: string
  readonly cpuQuota: number
  readonly cpuPeriod: number
  readonly blkioWeight: number
  readonly capAdd: ReadonlyArray<string>
  readonly capDrop: ReadonlyArray<string>
  readonly securityOpt: ReadonlyArray<string>
  readonly readonlyRootfs: boolean
  readonly cgroupParent: string
}

const isObject = (value: Json | undefined): value is JsonObject => typeof value === "object" && !Array.isArray(value)

const property = (value: JsonObject, name: string): Json | undefined =>
  Object.entries(value).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]

const logConfigOf = (given: Json): JsonObject => {
  if (!isObject(given)) return {}
  const type = property(given, "Type")
  const config = property(given, "Config")
  return {
    ...(typeof type === "string" && type !== "" ? { Type: type } : {}),
    ...(isObject(config)
      ? { Config: Object.fromEntries(Object.entries(config).map(([key, value]) => [key, String(value)])) }
      : {})
  }
}

const isEmpty = (value: Json): boolean =>
  value === "" || value === 0 || value === false || (Array.isArray(value) && value.length === 0)

/** The `HostConfig` of every container that the peer makes. */
export const hostConfigOf = (given: HostSettings): JsonObject => ({
  ...Object.fromEntries(
    Object.entries<Json>({
      CapAdd: given.capAdd,
      CapDrop: given.capDrop,
      Dns: given.dns,
      DnsSearch: given.dnsSearch,
      ExtraHosts: given.extraHosts,
      NetworkMode: networkModeOf(given),
      IpcMode: given.ipcMode,
      PidMode: given.pidMode,
      UTSMode: given.utsMode,
      SecurityOpt: given.securityOpt,
      CgroupParent: given.cgroupParent,
      Memory: given.memory,
      MemorySwap: given.memorySwap,
      MemorySwappiness: given.memorySwappiness,
      CpuShares: given.cpuShares,
      Cpuset: given.cpuset,
      CpusetCpus: given.cpusetCpus,
      CpusetMems: given.cpusetMems,
      CpuQuota: given.cpuQuota,
      CpuPeriod: given.cpuPeriod,
      BlkioWeight: given.blkioWeight,
      ReadonlyRootfs: given.readonlyRootfs,
      OomKillDisable: given.oomKillDisable
    }).filter(([, value]) => !isEmpty(value))
  ),
  // structures without pointers are never left out by the reference's client
  LogConfig: logConfigOf(given.logConfig),
  RestartPolicy: {}
})

/** The network of containers and of builds. */
export const networkModeOf = ({ networkMode }: Pick<HostSettings, "networkMode">): string =>
  networkMode === "" ? "host" : networkMode

/** `vm` and `chaincode` of core.yaml. Source: peer-endorse-validate.md 2.2; chaincode.md section 2. */
import {
  bool,
  duration,
  int,
  opaque,
  optionalCount,
  optionalId,
  optionalWord,
  systemPlugins,
  text,
  textMap,
  words
} from "../fields.js"
import { section } from "../schema.js"

const dockerFile = (of: string, sample: string) =>
  section(of, `The ${of} of the connection.`, { file: text("file", "PEM file.", { path: true, sample }) })

const hostConfig = section("hostConfig", "Settings of chaincode containers, as Docker's API names them.", {
  networkMode: text("NetworkMode", "Docker network.", { zeroIsUnset: true, fallback: "host", sample: "host" }),
  dns: words("Dns", "Name servers.", { sample: "" }),
  dnsSearch: words("DnsSearch", "Search domains."),
  extraHosts: words("ExtraHosts", "More lines of the hosts file."),
  ipcMode: text("IpcMode", "IPC name space."),
  pidMode: text("PidMode", "Process name space."),
  utsMode: text("UTSMode", "Host name space."),
  logConfig: opaque("LogConfig", "Log driver: `Type` and `Config`.", {
    sample: '\nType: json-file\nConfig:\n  max-size: "50m"\n  max-file: "5"'
  }),
  memory: int("Memory", "Bytes of memory.", { fallback: "0", sample: "2147483648" }),
  memorySwap: int("MemorySwap", "Bytes of memory and swap.", { fallback: "0" }),
  memorySwappiness: int("MemorySwappiness", "Willingness to swap, 0 to 100.", { fallback: "0" }),
  oomKillDisable: bool("OomKillDisable", "Do not kill the container when memory runs out.", { fallback: "false" }),
  cpuShares: int("CpuShares", "Share of the processors.", { fallback: "0" }),
  cpuset: text("Cpuset", "Old form of `CpusetCPUs`."),
  cpusetCpus: text("CpusetCPUs", "Processors to use."),
  cpusetMems: text("CpusetMEMs", "Memory nodes to use."),
  cpuQuota: int("CpuQuota", "Microseconds of processor time in a period.", { fallback: "0" }),
  cpuPeriod: int("CpuPeriod", "Length of that period.", { fallback: "0" }),
  blkioWeight: int("BlkioWeight", "Share of the disk.", { fallback: "0" }),
  capAdd: words("CapAdd", "Capabilities to add."),
  capDrop: words("CapDrop", "Capabilities to drop."),
  securityOpt: words("SecurityOpt", "Security options."),
  readonlyRootfs: bool("ReadonlyRootfs", "Root file system read only.", { fallback: "false" }),
  cgroupParent: text("CgroupParent", "Parent control group.")
})

export const vm = section("vm", "Where chaincode runs.", {
  type: optionalWord("process", "docker", "user")(
    "type",
    "`process`: child processes of the peer; `docker`: containers; `user`: started by hand. Fabric has containers only: where an endpoint is set and this is not, chaincode runs in containers, otherwise as processes.",
    { ours: true, sample: "process" }
  ),
  process: section("process", "Chaincode as processes.", {
    uid: optionalId("uid", "User that chaincode runs as; unset: the peer's own, which can read the peer's keys.", {
      ours: true
    }),
    gid: optionalId("gid", "Group that chaincode runs as.", { ours: true }),
    openFiles: optionalCount("openFiles", "Files that a chaincode may have open; unset: as the peer.", { ours: true }),
    processes: optionalCount("processes", "Processes and threads of the chaincode's user; unset: as the peer.", {
      ours: true
    }),
    memory: optionalCount(
      "memory",
      "Bytes of memory that a chaincode may hold with all its processes; beyond, it is ended. Unset: no limit. Linux only.",
      { ours: true }
    ),
    prebuilt: text("prebuilt", "Folder of ready-made Go chaincode, named `<name>-<version>` or `<name>`.", {
      path: true,
      ours: true
    }),
    inspect: optionalId("inspect", "First port for debuggers of Node chaincode; unset: none.", { ours: true })
  }),
  endpoint: text("endpoint", "The Docker daemon.", { sample: "unix:///var/run/docker.sock" }),
  docker: section("docker", "Docker.", {
    tls: section("tls", "TLS to the Docker daemon.", {
      enabled: bool("enabled", "Connect with TLS.", { fallback: "false", sample: "false" }),
      ca: dockerFile("ca", "docker/ca.crt"),
      cert: dockerFile("cert", "docker/tls.crt"),
      key: dockerFile("key", "docker/tls.key")
    }),
    attachStdout: bool("attachStdout", "Take the containers' output into the peer's log.", {
      fallback: "false",
      sample: "false"
    }),
    hostConfig
  })
})

const runtimeImage = (of: string, sample: string) => text("runtime", `Image that ${of} chaincode runs in.`, { sample })
const base = "$(BASE_DOCKER_NS)/fabric-baseos:$(ARCH)-$(BASE_VERSION)"

export const chaincode = section("chaincode", "Chaincode.", {
  id: section("id", "Known from old files; the shim reads its own variables.", {
    path: text("path", "Not read by the peer.", { sample: "", unused: true }),
    name: text("name", "Not read by the peer.", { sample: "", unused: true })
  }),
  builder: text("builder", "Image that chaincode is built in.", {
    sample: "$(DOCKER_NS)/fabric-ccenv:$(TWO_DIGIT_VERSION)"
  }),
  pull: bool("pull", "Pull images before use.", { fallback: "false", sample: "false" }),
  golang: section("golang", "Go chaincode.", {
    runtime: runtimeImage("Go", base),
    dynamicLink: bool("dynamicLink", "Link dynamically.", { fallback: "false", sample: "false" })
  }),
  car: section("car", "CAR chaincode.", { runtime: runtimeImage("CAR", base) }),
  java: section("java", "Java chaincode.", {
    runtime: runtimeImage("Java", "$(DOCKER_NS)/fabric-javaenv:$(TWO_DIGIT_VERSION)")
  }),
  node: section("node", "Node chaincode.", {
    runtime: runtimeImage("Node", "$(BASE_DOCKER_NS)/fabric-baseimage:$(ARCH)-$(BASE_VERSION)")
  }),
  startuptimeout: duration("startuptimeout", "Limit for a chaincode to register; at least 5s.", { sample: "300s" }),
  executetimeout: duration("executetimeout", "Limit of one invocation; below 1s it is 30s.", { sample: "30s" }),
  mode: text("mode", "`net`: the peer starts chaincode; `dev`: people do.", {
    zeroIsUnset: true,
    fallback: "net",
    sample: "net"
  }),
  keepalive: text("keepalive", "Seconds between keepalives to chaincode; 0 or no number: none.", {
    fallback: "0",
    sample: "0"
  }),
  system: textMap("system", "System chaincodes to deploy: `enable`, `true` or `yes`.", {
    sample: "\ncscc: enable\nlscc: enable\nqscc: enable"
  }),
  systemVersion: text(
    "systemVersion",
    "Version of the system chaincodes. It enters what is endorsed: all peers of a channel must have the same.",
    { fallback: "1.4.12", zeroIsUnset: true, ours: true }
  ),
  systemPlugins: systemPlugins("systemPlugins", "Go plugins of system chaincode: not loaded, a warning names them.", {
    sample: ""
  }),
  logging: section("logging", "Log of chaincode in containers.", {
    level: text("level", "Level of the chaincode.", { sample: "info" }),
    shim: text("shim", "Level of the shim.", { sample: "warning" }),
    format: text("format", "Format of its lines.", {
      sample:
        "'%{color}%{time:2006-01-02 15:04:05.000 MST} [%{module}] %{shortfunc} -> %{level:.4s} %{id:03x}%{color:reset} %{message}'"
    })
  }),
  watch: bool("watch", "Start chaincode anew when its source folder changes (development).", {
    fallback: "false",
    ours: true
  }),
  acceptExternal: bool("acceptExternal", "Also in mode `net`, take chaincode that was started by hand.", {
    fallback: "false",
    ours: true
  })
})

/** `operations`, `metrics` and `tracing` of core.yaml. Source: operations-cli.md 1.1; tracing is ours. */
import { bool, count, duration, text, textMap, words } from "../fields.js"
import { section } from "../schema.js"

export const operations = section("operations", "Health, metrics, log spec and version over HTTP.", {
  listenAddress: text("listenAddress", "Where; unset: any free port.", { sample: "127.0.0.1:9443" }),
  tls: section("tls", "Its TLS. Paths are relative to the working folder.", {
    enabled: bool("enabled", "Serve with TLS.", { fallback: "false", sample: "false" }),
    cert: section("cert", "The certificate.", { file: text("file", "PEM file.", { sample: "" }) }),
    key: section("key", "Its private key.", { file: text("file", "PEM file.", { sample: "" }) }),
    clientAuthRequired: bool("clientAuthRequired", "Demand client certificates for everything.", {
      fallback: "false",
      sample: "false"
    }),
    clientRootCAs: section("clientRootCAs", "Authorities of client certificates.", {
      files: words("files", "PEM files.", { sample: "[]" })
    })
  }),
  explain: section("explain", "Why proposals and transactions were refused: the page /explain.", {
    entries: count("entries", "Transaction ids whose causes are kept in memory; 0: none, and no page.", {
      fallback: "500",
      ours: true
    })
  })
})

export const metrics = section("metrics", "Metrics.", {
  provider: text("provider", "`statsd`, `prometheus` or `disabled`.", { sample: "disabled" }),
  statsd: section("statsd", "Where StatsD metrics go.", {
    network: text("network", "`udp` or `tcp`.", { sample: "udp" }),
    address: text("address", "`host:port` of the daemon.", { sample: "127.0.0.1:8125" }),
    writeInterval: duration("writeInterval", "Pause between two writes of counters and gauges.", { sample: "10s" }),
    prefix: text("prefix", "Put before every name.", { sample: "" })
  })
})

export const tracing = section("tracing", "Export of traces.", {
  otlp: section("otlp", "OpenTelemetry's protocol over HTTP with JSON bodies.", {
    endpoint: text("endpoint", "Where traces go, the whole URL (`http://127.0.0.1:4318/v1/traces`); unset: nowhere.", {
      ours: true
    }),
    headers: textMap("headers", "Headers of each request, such as a key of the collector.", {
      ours: true,
      secret: true
    }),
    serviceName: text("serviceName", "The node's name in the traces; unset: `peer` and its id.", { ours: true }),
    interval: duration("interval", "Longest pause between two exports.", {
      zeroIsUnset: true,
      fallback: "5s",
      ours: true
    })
  })
})

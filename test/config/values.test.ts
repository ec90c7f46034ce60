/** Reading single values: Go durations, weak conversions, YAML. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { formatGoDuration, parseGoDuration } from "../../src/config/goDuration.js"
import * as kinds from "../../src/config/leaf.js"
import { type Given, parseYaml } from "../../src/config/yaml.js"

const text = (value: string): Given => ({ kind: "text", text: value })
const scalar = (value: number | boolean, source = String(value)): Given => ({ kind: "scalar", value, source })

describe("Go durations", () => {
  it("reads what Go reads", () => {
    const cases: ReadonlyArray<readonly [string, bigint | undefined]> = [
      ["0", 0n],
      ["5s", 5_000_000_000n],
      ["1m30s", 90_000_000_000n],
      ["1.5h", 5_400_000_000_000n],
      ["250ms", 250_000_000n],
      ["-1s", -1_000_000_000n],
      ["+5s", 5_000_000_000n],
      [".5s", 500_000_000n],
      ["1.s", 1_000_000_000n],
      ["10us", 10_000n],
      ["10µs", 10_000n],
      ["1ns", 1n],
      ["2562047h", 9_223_369_200_000_000_000n],
      ["2562048h", undefined],
      ["", undefined],
      ["5", undefined],
      ["s", undefined],
      [".s", undefined],
      ["5 s", undefined],
      ["5 sec", undefined],
      ["5S", undefined],
      ["--5s", undefined],
      ["5s5", undefined]
    ]
    for (const [given, want] of cases) assert.strictEqual(parseGoDuration(given), want, given)
  })

  it("prints what Go prints, and reads it back", () => {
    const cases: ReadonlyArray<readonly [bigint, string]> = [
      [0n, "0s"],
      [1n, "1ns"],
      [1_500n, "1.5µs"],
      [2_000_000n, "2ms"],
      [1_500_000_000n, "1.5s"],
      [60_000_000_000n, "1m0s"],
      [3_600_000_000_000n, "1h0m0s"],
      [604_800_000_000_000n, "168h0m0s"],
      [-90_000_000_000n, "-1m30s"]
    ]
    for (const [nanos, want] of cases) assert.strictEqual(formatGoDuration(nanos), want)
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 62n), max: 1n << 62n }), (nanos) => {
        assert.strictEqual(parseGoDuration(formatGoDuration(nanos)), nanos)
      })
    )
  })

  it("never throws", () => {
    fc.assert(fc.property(fc.string(), (value) => void parseGoDuration(value)))
  })
})

describe("kinds", () => {
  const reads = <A>(kind: kinds.Kind<A>, given: Given, want: A) =>
    assert.deepStrictEqual(Either.getOrUndefined(kind.read(given)), want, JSON.stringify(given))
  const refuses = <A>(kind: kinds.Kind<A>, given: Given, reference: string) => {
    const read = kind.read(given)
    assert.isTrue(Either.isLeft(read), JSON.stringify(given))
    if (Either.isLeft(read)) assert.strictEqual(read.left.reference("Key"), reference)
  }

  it("booleans", () => {
    for (const value of ["1", "t", "T", "true", "TRUE", "True"]) reads(kinds.bool, text(value), true)
    for (const value of ["0", "f", "F", "false", "FALSE", "False", ""]) reads(kinds.bool, text(value), false)
    reads(kinds.bool, scalar(true), true)
    reads(kinds.bool, scalar(2), true)
    reads(kinds.bool, scalar(0), false)
    refuses(kinds.bool, text("yess"), `cannot parse 'Key' as bool: strconv.ParseBool: parsing "yess": invalid syntax`)
    refuses(
      kinds.bool,
      { kind: "list", items: [] },
      "'Key' expected type 'bool', got unconvertible type '[]interface {}'"
    )
  })

  it("whole numbers", () => {
    for (const [given, want] of [
      ["7050", 7050],
      ["0x1f", 31],
      ["017", 15],
      ["0b101", 5],
      ["0o17", 15],
      ["1_000", 1000],
      ["0", 0]
    ] as const) {
      reads(kinds.int, text(given), want)
    }
    reads(kinds.int, text("-3"), -3)
    reads(kinds.port, scalar(65_535), 65_535)
    refuses(
      kinds.port,
      scalar(65_536),
      `cannot parse 'Key' as uint: strconv.ParseUint: parsing "65536": value out of range`
    )
    refuses(kinds.port, text("-1"), `cannot parse 'Key' as uint: strconv.ParseUint: parsing "-1": value out of range`)
    for (const bad of ["", "x", "1.5", "09", "0x", "1__0", "1_", " 1"]) {
      refuses(
        kinds.int,
        text(bad),
        `cannot parse 'Key' as int: strconv.ParseInt: parsing ${JSON.stringify(bad)}: invalid syntax`
      )
    }
    refuses(kinds.int, scalar(1.5), `cannot parse 'Key' as int: strconv.ParseInt: parsing "1.5": invalid syntax`)
  })

  it("durations", () => {
    reads(kinds.duration, text("1m30s"), Duration.seconds(90))
    reads(kinds.duration, text("1500000"), Duration.nanos(1_500_000n))
    reads(kinds.duration, scalar(5_000_000), Duration.millis(5))
    reads(kinds.duration, text("-5s"), Duration.zero)
    refuses(
      kinds.duration,
      text("5 sec"),
      `cannot parse 'Key' as int: strconv.ParseInt: parsing "5 sec": invalid syntax`
    )
  })

  it("byte sizes", () => {
    for (const [given, want] of [
      ["10 MB", 10 * 1024 * 1024],
      ["512k", 512 * 1024],
      ["1G", 1024 ** 3],
      ["100", 100],
      ["3 gb", 3 * 1024 ** 3]
    ] as const) {
      reads(kinds.byteSize, text(given), want)
    }
    refuses(kinds.byteSize, text("4 GB"), "error decoding 'Key': value '4 GB' overflows uint32")
    assert.isTrue(Either.isLeft(kinds.byteSize.read(text("10 XB"))))
  })

  it("lists", () => {
    reads(kinds.list, text("[a, b ,c]"), ["a", "b", "c"])
    reads(kinds.list, text("a b"), ["a b"])
    reads(kinds.list, text("[]"), [])
    reads(kinds.list, text(""), [])
    reads(kinds.words, text(" a  b\tc "), ["a", "b", "c"])
    reads(kinds.words, text("[a, b]"), ["a", "b"])
    reads(kinds.words, { kind: "list", items: [text("a"), scalar(1)] }, ["a", "1"])
    refuses(
      kinds.list,
      { kind: "map", entries: new Map() },
      "'Key[0]' expected type 'string', got unconvertible type 'map[string]interface {}'"
    )
  })

  it("texts keep the characters of numbers", () => {
    reads(kinds.text, scalar(1.1, "1.10"), "1.10")
    reads(kinds.text, scalar(true, "yes"), "yes")
    refuses(
      kinds.text,
      { kind: "map", entries: new Map() },
      "'Key' expected type 'string', got unconvertible type 'map[string]interface {}'"
    )
  })

  it("maps, also as JSON in one text", () => {
    reads(
      kinds.mapOf(kinds.text),
      text('{"a":"1","b":"2"}'),
      new Map([
        ["a", "1"],
        ["b", "2"]
      ])
    )
    for (const bad of ["[]", "{", "null", '{"a":1}', "x"])
      assert.isTrue(Either.isLeft(kinds.mapOf(kinds.text).read(text(bad))), bad)
  })

  it("Kafka versions, brought down to a protocol level", () => {
    for (const [given, want] of [
      ["0.10.1.1", "0.10.1.0"],
      ["0.8.2", "0.8.2.0"],
      ["0.9.0.1", "0.9.0.1"],
      ["0.10.2.0", "0.10.2.0"],
      ["0.11.3", "0.11.0.0"],
      ["1.0.0", "1.0.0.0"],
      ["2.8.1", "1.0.0.0"]
    ] as const) {
      reads(kinds.kafkaVersion, text(given), want)
    }
    refuses(kinds.kafkaVersion, text("0.8.1"), "error decoding 'Key': Unsupported Kafka version: '0.8.1'")
    refuses(
      kinds.kafkaVersion,
      text("abc"),
      "error decoding 'Key': Unable to parse Kafka version: Malformed version: abc"
    )
  })
})

describe("YAML", () => {
  const parse = (value: string) => parseYaml(value, "x.yaml")
  const tree = (value: string) => Either.getOrThrow(parse(value))
  const at = (value: string, ...keys: ReadonlyArray<string>): Given | undefined => {
    let entries = tree(value)
    let found: Given | undefined
    for (const key of keys) {
      found = entries.get(key)?.value
      entries = found?.kind === "map" ? found.entries : new Map()
    }
    return found
  }

  it("reads what Go's reader reads", () => {
    assert.deepStrictEqual(at("a: yes", "a"), scalar(true, "yes"))
    assert.deepStrictEqual(at("a: Off", "a"), scalar(false, "Off"))
    assert.deepStrictEqual(at("a: 017", "a"), scalar(15, "017"))
    assert.deepStrictEqual(at("a: 0x10", "a"), scalar(16, "0x10"))
    assert.deepStrictEqual(at("a: 1:30", "a"), text("1:30"))
    assert.deepStrictEqual(at("a: 2001-12-14", "a"), text("2001-12-14"))
    assert.deepStrictEqual(at("a: 127.0.0.1:7050", "a"), text("127.0.0.1:7050"))
    assert.isUndefined(at("a:", "a"))
    assert.isUndefined(at("a: ~", "a"))
    assert.deepStrictEqual(at("a: ''", "a"), text(""))
    assert.deepStrictEqual(at("a: &x {k: v}\nb: *x", "b", "k"), text("v"))
    assert.deepStrictEqual(at("a: &x {k: v, l: w}\nb:\n  <<: *x\n  l: own", "b", "k"), text("v"))
    assert.deepStrictEqual(at("a: &x {k: v, l: w}\nb:\n  <<: *x\n  l: own", "b", "l"), text("own"))
    assert.deepStrictEqual(at("a: 1\na: 2", "a"), scalar(2))
    assert.deepStrictEqual(at('{"a": {"b": "c"}}', "a", "b"), text("c"))
    assert.strictEqual(tree("").size, 0)
    assert.strictEqual(tree("x: 1\n\ny: 2").get("y")?.line, 3)
  })

  it("refuses with the line", () => {
    const broken = parse("a: 1\nb: [1, 2\nc: 3\n")
    assert.isTrue(Either.isLeft(broken))
    if (Either.isLeft(broken)) assert.match(broken.left.reason, /^While parsing config: yaml: line \d+: /)
    for (const bad of ["- 1\n- 2", "just text", "a: *missing", "\t- a: b: c"])
      assert.isTrue(Either.isLeft(parse(bad)), bad)
  })

  it("is not blown up by aliases or depth", () => {
    const names = "abcdefghij".split("")
    const bomb = names
      .map(
        (name, i) =>
          `${name}: &${name} [${Array(10)
            .fill(i === 0 ? "x" : `*${names[i - 1]}`)
            .join(",")}]`
      )
      .join("\n")
    assert.isTrue(Either.isLeft(parse(bomb)))
    assert.isTrue(Either.isLeft(parse(`a: ${"[".repeat(500)}${"]".repeat(500)}`)))
  })

  it("never throws", () => {
    fc.assert(fc.property(fc.string(), (value) => void parse(value)))
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("a", ":", " ", "\n", "-", "[", "]", "{", "}", "&a", "*a", "<<", '"', "#", "|", "!")),
        (parts) => void parse(parts.join(""))
      )
    )
  })
})

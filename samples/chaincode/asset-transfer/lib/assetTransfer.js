const { Contract } = require("fabric-contract-api")

/** The collection of private appraisals; its definition is in collections.json and goes with `instantiate`. */
const APPRAISALS = "appraisals"

/** JSON with its keys in order: every peer must write the same bytes. */
const serialise = (asset) => Buffer.from(JSON.stringify(Object.fromEntries(Object.entries(asset).sort())))

const parse = (bytes) => JSON.parse(Buffer.from(bytes).toString("utf8"))

/**
 * Assets with owners. Every change sends an event of its own name with the asset as payload; the history of an asset can
 * be read; its appraisal stays private to the members of a collection.
 */
class AssetTransfer extends Contract {
  constructor() {
    super("AssetTransfer")
  }

  /** Puts a few assets into an empty ledger. */
  async InitLedger(ctx) {
    const assets = [
      { id: "asset1", color: "blue", size: 5, owner: "Tomoko", value: 300 },
      { id: "asset2", color: "red", size: 5, owner: "Brad", value: 400 },
      { id: "asset3", color: "green", size: 10, owner: "Jin Soo", value: 500 }
    ]
    for (const asset of assets) await ctx.stub.putState(asset.id, serialise(asset))
    return String(assets.length)
  }

  async CreateAsset(ctx, id, color, size, owner, value) {
    if (await this.AssetExists(ctx, id)) throw new Error(`The asset ${id} already exists`)
    const asset = { id, color, size: Number(size), owner, value: Number(value) }
    return this._write(ctx, "CreateAsset", asset)
  }

  async ReadAsset(ctx, id) {
    return JSON.stringify(await this._read(ctx, id))
  }

  async UpdateAsset(ctx, id, color, size, owner, value) {
    await this._read(ctx, id)
    return this._write(ctx, "UpdateAsset", { id, color, size: Number(size), owner, value: Number(value) })
  }

  /** Hands an asset to a new owner; the result is the old one. */
  async TransferAsset(ctx, id, newOwner) {
    const asset = await this._read(ctx, id)
    const oldOwner = asset.owner
    await this._write(ctx, "TransferAsset", { ...asset, owner: newOwner })
    return oldOwner
  }

  async DeleteAsset(ctx, id) {
    const asset = await this._read(ctx, id)
    await ctx.stub.deleteState(id)
    ctx.stub.setEvent("DeleteAsset", serialise(asset))
  }

  async AssetExists(ctx, id) {
    const bytes = await ctx.stub.getState(id)
    return bytes !== undefined && bytes.length > 0
  }

  async GetAllAssets(ctx) {
    const assets = []
    for await (const { value } of ctx.stub.getStateByRange("", "")) assets.push(parse(value))
    return JSON.stringify(assets)
  }

  /** Who held an asset, first owner first. */
  async GetAssetHistory(ctx, id) {
    const changes = []
    for await (const { isDelete, txId, value } of ctx.stub.getHistoryForKey(id)) {
      changes.push({ txId, owner: isDelete ? null : parse(value).owner })
    }
    return JSON.stringify(changes)
  }

  /** Keeps the appraisal given in the transient field `appraisal` private to the collection. */
  async SetAppraisal(ctx, id) {
    await this._read(ctx, id)
    const appraisal = ctx.stub.getTransient().get("appraisal")
    if (appraisal === undefined) throw new Error('The transient field "appraisal" is missing')
    await ctx.stub.putPrivateData(APPRAISALS, id, Buffer.from(appraisal))
  }

  async GetAppraisal(ctx, id) {
    const bytes = await ctx.stub.getPrivateData(APPRAISALS, id)
    return Buffer.from(bytes).toString("utf8")
  }

  /** Always fails: to see how an error reaches a client. */
  async Fail(_ctx, message) {
    throw new Error(message)
  }

  // ---- Names with an underscore are no transactions ----

  async _read(ctx, id) {
    const bytes = await ctx.stub.getState(id)
    if (bytes === undefined || bytes.length === 0) throw new Error(`The asset ${id} does not exist`)
    return parse(bytes)
  }

  async _write(ctx, event, asset) {
    const bytes = serialise(asset)
    await ctx.stub.putState(asset.id, bytes)
    ctx.stub.setEvent(event, bytes)
    return bytes.toString("utf8")
  }
}

module.exports.AssetTransfer = AssetTransfer

const { AssetTransfer } = require("./lib/assetTransfer.js")

module.exports.contracts = [AssetTransfer]

// Public and private values by key: what the tests of gossip write and read.
const shim = require("fabric-shim")

const calls = {
  put: (stub, [key, value]) => stub.putState(key, Buffer.from(value)),
  get: (stub, [key]) => stub.getState(key),
  putPrivate: (stub, [collection, key]) => stub.putPrivateData(collection, key, stub.getTransient().get("value")),
  getPrivate: (stub, [collection, key]) => stub.getPrivateData(collection, key)
}

class Vault {
  async Init() {
    return shim.success()
  }
  async Invoke(stub) {
    const { fcn, params } = stub.getFunctionAndParameters()
    try {
      return shim.success(Buffer.from((await calls[fcn](stub, params)) ?? ""))
    } catch (error) {
      return shim.error(String(error.message))
    }
  }
}

shim.start(new Vault())

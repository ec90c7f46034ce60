/** Sections that core.yaml and orderer.yaml have in common. */
import { integer, text } from "./fields.js"
import { section } from "./schema.js"

/**
 * The crypto provider. Unknown keys inside it are ignored, as in the reference. `path`: whether the folder of keys is
 * relative to the folder of the file (peer) or taken as it stands (orderer).
 */
export const bccsp = (path: { readonly path?: true }) =>
  section(
    "BCCSP",
    "The crypto provider.",
    {
      default: text("Default", "Provider: `SW`; `PKCS11` is not built in.", {
        zeroIsUnset: true,
        fallback: "SW",
        sample: "SW"
      }),
      sw: section("SW", "The software provider.", {
        hash: text("Hash", "Hash family: `SHA2` or `SHA3`.", { zeroIsUnset: true, fallback: "SHA2", sample: "SHA2" }),
        security: integer(0, 4096)("Security", "Bits of the hash: 256 or 384.", {
          zeroIsUnset: true,
          fallback: "256",
          sample: "256"
        }),
        fileKeyStore: section("FileKeyStore", "Keys as files.", {
          keyStore: text("KeyStore", "Folder of the private keys; empty: `keystore` in the MSP folder.", {
            ...path,
            sample: ""
          })
        })
      }),
      pkcs11: section("PKCS11", "Hardware keys.", {
        library: text("Library", "Path of the PKCS#11 library.", { sample: "" }),
        label: text("Label", "Token label.", { sample: "" }),
        pin: text("Pin", "Token PIN.", { secret: true, sample: "" }),
        hash: text("Hash", "Hash family.", { sample: "" }),
        security: integer(0, 4096)("Security", "Bits of the hash.", { sample: "" }),
        fileKeyStore: section("FileKeyStore", "Keys as files.", {
          keyStore: text("KeyStore", "Folder of the keys.", { sample: "" })
        })
      })
    },
    { open: true }
  )

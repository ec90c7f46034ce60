/** What tests with a broker lack on this machine; undefined when they can run. Said in one line. Not a test. */
import { findLibs } from "./libs.js"

export const missing = findLibs()
if (missing !== undefined) console.warn(`kafka tests are skipped: ${missing}`)

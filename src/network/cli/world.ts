/** What commands that start nodes know of what is around them. */
import { LOG_FORMAT } from "../environment.js"

export interface World {
  readonly cwd: string
  /** Folder of the launchers, `config` and `samples`. */
  readonly home: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Nodes must not be configured by what happens to be set around us: only their own variables and the log's count. */
export const inherited = ({ environment }: World): Record<string, string | undefined> => ({
  FABRIC_LOGGING_FORMAT: LOG_FORMAT,
  ...Object.fromEntries(Object.entries(environment).filter(([name]) => !/^(CORE|ORDERER)_/.test(name)))
})

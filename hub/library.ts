// The hub as a library: what programs that build upon it import, and extensions as 'mooring'.
import pino, { type Logger } from 'pino'
import type { Clock } from './clock.ts'
import { type Settings, settingsWith } from './config.ts'
import type { Extension } from './extend/extension.ts'
import { type Hub, startHub } from './hub.ts'

export type { Settings } from './config.ts'
export {
  type Call,
  CallRefused,
  type ConversationRun,
  type Extension,
  type ExtensionHub,
  type ExtensionRoute,
  extension,
  type Filter,
  type Heard,
  type Peer,
  type Point,
} from './extend/extension.ts'
export type { Hub } from './hub.ts'

export interface LibraryOptions {
  /** The defaults of `--help` for all that is left out. No file and no variable is read. */
  readonly settings?: Partial<Settings>
  readonly log?: Logger
  readonly clock?: Clock
  /** The disk failed for good, and nothing more can be stored; without it the process ends with 74. */
  readonly onFatal?: (error: Error) => void
}

/** EX_IOERR: let a supervisor start it again. */
export const diskFailed = 74

export class EmbeddedHub {
  readonly #settings: Settings
  readonly #options: LibraryOptions
  readonly #extensions: Extension[] = []
  #started: Promise<Hub> | undefined = undefined

  constructor(options: LibraryOptions) {
    this.#settings = settingsWith(options.settings ?? {})
    this.#options = options
  }

  /** Before the start. */
  use(...extensions: readonly Extension[]): this {
    if (this.#started !== undefined) throw new Error('The hub has started: hub.extensions.use adds to it from now on.')
    this.#extensions.push(...extensions)
    return this
  }

  /** Resolves once it listens. Errors: a sentence, when the store, a port or the users cannot be had; for two extensions of one name. */
  start(): Promise<Hub> {
    const { clock, log = openLog(this.#settings) } = this.#options
    const onFatal = this.#options.onFatal ?? exitWith(log)
    this.#started ??= startHub({
      ...{ settings: this.#settings, log, extensions: this.#extensions, onFatal },
      ...(clock === undefined ? {} : { clock }),
    })
    return this.#started
  }

  /** Says goodbye to everyone, stores what is open, closes the files. */
  async stop(): Promise<void> {
    const hub = await this.#started
    await hub?.stop()
  }
}

export function createHub(options: LibraryOptions = {}): EmbeddedHub {
  return new EmbeddedHub(options)
}

/** Lines of JSON on stderr: stdout belongs to the program. */
export function openLog({ logLevel }: Pick<Settings, 'logLevel'>): Logger {
  return pino({ level: logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }))
}

function exitWith(log: Logger): (error: Error) => void {
  return (error) => {
    log.fatal({ err: error }, 'the disk failed; nothing more can be stored')
    process.exit(diskFailed)
  }
}

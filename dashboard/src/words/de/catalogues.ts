// Which English catalogue of a part is filled with which German one. Fetched only by who reads German.
import { commandsWords } from '../commands.ts'
import { exploreWords } from '../explore.ts'
import { hubWords } from '../hub.ts'
import { messagesWords } from '../messages.ts'
import { paletteWords } from '../palette.ts'
import { settingsWords } from '../settings.ts'
import { twinWords } from '../twin.ts'
import { german as commands } from './commands.ts'
import { german as explore } from './explore.ts'
import { german as hub } from './hub.ts'
import { german as messages } from './messages.ts'
import { german as palette } from './palette.ts'
import { german as settings } from './settings.ts'
import { german as twin } from './twin.ts'

export { german } from './words.ts'

export const catalogues: readonly (readonly [english: object, other: object])[] = [
  [messagesWords, messages],
  [commandsWords, commands],
  [twinWords, twin],
  [paletteWords, palette],
  [exploreWords, explore],
  [hubWords, hub],
  [settingsWords, settings],
]

// What stands after `npm run fleet --`.
import type { Squad } from './fleet.ts'
import { pastEverySeconds } from './past.ts'
import { isProfileName, profiles } from './profiles/profiles.ts'
import type { Hub } from './uplink.ts'

/** A wrong argument: its sentence is all a person needs to see. */
export class ArgumentError extends Error {
  override readonly name = 'ArgumentError'
}

export interface Arguments {
  readonly command: 'run' | 'help'
  readonly squads: readonly Squad[]
  readonly hub: Hub
  /** Undefined: until Ctrl-C. */
  readonly seconds: number | undefined
  /** How much of the past is sent first; undefined: none. */
  readonly pastSeconds: number | undefined
  readonly everySeconds: number | undefined
  readonly seed: number
}

const devicesMax = 20_000 // one process may rarely open more files than this, and each device is one

const unitSeconds = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 } as const
const pastSecondsMax = 10 * unitSeconds.y

const flags = {
  '--url': { takes: 'URL', default: 'mqtt://127.0.0.1:1883', says: 'where the hub speaks MQTT' },
  '--http': { takes: 'URL', default: 'http://127.0.0.1:8080', says: 'where it speaks HTTP and MQTT over WebSocket' },
  '--seconds': { takes: 'N', default: '', says: 'how long to run; without it until Ctrl-C' },
  '--past': {
    takes: 'TIME',
    default: '',
    says: 'send the readings of this time first, such as 24h, 30d or 1y; ends then, unless --seconds says how long',
  },
  '--every': {
    takes: 'N',
    default: '',
    says: `seconds between two readings; without it as the profile says, of the past ${pastEverySeconds}`,
  },
  '--seed': { takes: 'N', default: '1', says: 'the same seed gives the same readings' },
} as const
type Flag = keyof typeof flags

/** Throws `ArgumentError`. */
export function readArguments(argv: readonly string[]): Arguments {
  const squads: Squad[] = []
  const values = new Map<Flag, string>()
  let command: Arguments['command'] = 'run'
  const words = argv.flatMap((word) => (word.startsWith('--') && word.includes('=') ? splitOnce(word) : [word]))
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    const next = words[at + 1]
    if (word === '--help' || word === '-h') command = 'help'
    else if (isFlag(word)) {
      if (next === undefined) throw new ArgumentError(`${word} needs a value after it: ${word} ${flags[word].takes}, ${flags[word].says}.`)
      values.set(word, next)
      at++
    } else if (word.startsWith('-'))
      throw new ArgumentError(`There is no option ${word}. Options are ${Object.keys(flags).join(', ')} and --help.`)
    else {
      squads.push(squadOf(word, next))
      at++
    }
  }
  const total = squads.reduce((sum, { count }) => sum + count, 0)
  if (total > devicesMax)
    throw new ArgumentError(`${total} devices are more than one process can open sockets for; ${devicesMax} is the most.`)
  if (squads.length === 0 && command === 'run')
    throw new ArgumentError('Say how many of what: for example `npm run fleet -- 500 thermostat`.')
  return {
    command,
    squads,
    hub: { mqtt: urlOf('--url', 'mqtt:', values), http: urlOf('--http', 'http:', values) },
    seconds: positive('--seconds', values),
    pastSeconds: pastOf(values),
    everySeconds: positive('--every', values),
    seed: positive('--seed', values) ?? 1,
  }
}

export function helpText(): string {
  const rows: (readonly [string, string])[] = Object.entries(flags).map(([flag, { takes, says, default: standard }]) => [
    `${flag} ${takes}`,
    `${says}${standard === '' ? '' : ` [${standard}]`}`,
  ])
  const kinds = Object.entries(profiles).map(([name, { says, everySeconds }]) => [name, `${says}; every ${everySeconds} s`] as const)
  const table = (lines: readonly (readonly [string, string])[]) => lines.map(([left, right]) => `  ${left.padEnd(14)} ${right}`)
  return [
    'Simulated devices for a hub.',
    '',
    'npm run fleet -- COUNT PROFILE [COUNT PROFILE …] [options]',
    '',
    'Profiles',
    ...table(kinds),
    '',
    'Options',
    ...table(rows),
    '',
    'For example: npm run fleet -- 200 thermostat 50 pump --seconds 60 --every 5',
    'A year to look at: npm run fleet -- 10 thermostat --past 1y',
  ].join('\n')
}

function squadOf(count: string, profile: string | undefined): Squad {
  if (!/^[1-9]\d*$/.test(count)) throw new ArgumentError(`"${count}" is no number of devices; write for example 500 thermostat.`)
  const known = Object.keys(profiles).join(', ')
  if (profile === undefined || profile.startsWith('-')) throw new ArgumentError(`${count} of what? Profiles are ${known}.`)
  const singular = profile.replace(/s$/, '') // "500 thermostats" is what people type
  if (isProfileName(profile)) return { count: Number(count), profile }
  if (isProfileName(singular)) return { count: Number(count), profile: singular }
  throw new ArgumentError(`There is no profile ${profile}; there are ${known}.`)
}

function urlOf(flag: '--url' | '--http', protocol: string, values: ReadonlyMap<Flag, string>): URL {
  const text = values.get(flag) ?? flags[flag].default
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === protocol && url.hostname !== '') return url
  throw new ArgumentError(`${flag} takes a URL such as ${flags[flag].default}; it was given "${text}".`)
}

function positive(flag: Flag, values: ReadonlyMap<Flag, string>): number | undefined {
  const text = values.get(flag)
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw new ArgumentError(`${flag} takes a number above 0; it was given "${text}".`)
}

function pastOf(values: ReadonlyMap<Flag, string>): number | undefined {
  const text = values.get('--past')
  if (text === undefined) return undefined
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([smhdwy])$/.exec(text) ?? []
  const seconds = Number(amount) * unitSeconds[(unit ?? 's') as keyof typeof unitSeconds]
  if (seconds > 0 && seconds <= pastSecondsMax) return seconds
  throw new ArgumentError(`--past takes a time up to ten years such as 90m, 24h, 30d or 1y; it was given "${text}".`)
}

function isFlag(word: string): word is Flag {
  return Object.hasOwn(flags, word)
}

function splitOnce(word: string): [string, string] {
  const at = word.indexOf('=')
  return [word.slice(0, at), word.slice(at + 1)]
}

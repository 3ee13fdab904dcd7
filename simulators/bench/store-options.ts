// What stands after `npm run bench -- store`.
import { fileURLToPath } from 'node:url'
import { ArgumentError } from '../arguments.ts'
import { isKindName, type KindName, kinds } from './store-kinds.ts'
import { isRivalName, type RivalName, rivals } from './store-rivals.ts'

export interface StoreOptions {
  readonly help: boolean
  /** Of each kind, unless it says itself. */
  readonly points: number
  /** Kinds that say themselves how many points they have do not get more either. */
  readonly quick: boolean
  readonly only: readonly KindName[]
  readonly rivals: readonly RivalName[]
  /** Where npm has put PostgreSQL. */
  readonly postgres: string
  readonly seed: number
  readonly out: string
}

const standardPoints = 250_000
const quickPoints = 50_000
/** Fewer are over within one tick of the CPU clock; more do not fit into the memory of this process. */
const [pointsMin, pointsMax] = [1000, 20_000_000]
const project = fileURLToPath(new URL('../..', import.meta.url))

/** Throws `ArgumentError`. */
export function readStoreOptions(argv: readonly string[]): StoreOptions {
  const words = argv.flatMap((word) =>
    /^--[a-z]+=/.test(word) ? [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)] : word,
  )
  const values = new Map<string, string>()
  let [help, quick] = [false, false]
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    if (word === '--help' || word === '-h') help = true
    else if (word === '--quick') quick = true
    else if (!['--points', '--only', '--rivals', '--postgres', '--seed', '--out'].includes(word)) {
      throw new ArgumentError(`There is no option ${word}; --help lists them.`)
    } else {
      const value = words[++at]
      if (value === undefined) throw new ArgumentError(`${word} needs a value after it.`)
      values.set(word, value)
    }
  }
  const [only, chosen] = [values.get('--only'), values.get('--rivals')]
  return {
    ...{ help, quick },
    points: wholeNumber('--points', values, quick ? quickPoints : standardPoints, pointsMin, pointsMax),
    only: only === undefined ? (Object.keys(kinds) as KindName[]) : listOf(only, isKindName, 'kind', kinds),
    rivals: chosen === undefined ? (Object.keys(rivals) as RivalName[]) : listOf(chosen, isRivalName, 'rival', rivals),
    postgres: values.get('--postgres') ?? project,
    seed: wholeNumber('--seed', values, 1, 0, 2 ** 32 - 1),
    out: values.get('--out') ?? 'bench.json',
  }
}

export function storeHelp(): string {
  const rows = (table: Readonly<Record<string, { readonly says: string }>>) =>
    Object.entries(table).map(([name, { says }]) => `  ${name.padEnd(14)} ${says}`)
  return [
    'What a point costs a store on disk and in CPU, and how long questions take, beside plain rows.',
    '',
    `npm run bench -- store [--quick] [--points ${standardPoints}] [--only sensor,month] [--rivals hub,rows] [--postgres FOLDER] [--seed 1]`,
    '                       [--out bench.json]',
    '',
    'Kinds of series',
    ...rows(kinds),
    '',
    'Rivals',
    ...rows(rivals),
  ].join('\n')
}

function wholeNumber(flag: string, values: ReadonlyMap<string, string>, standard: number, min: number, max: number): number {
  const text = values.get(flag)
  const value = text === undefined ? standard : Number(text)
  if (text?.trim() !== '' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new ArgumentError(`${flag} takes a whole number from ${min} to ${max}; it was given "${text}".`)
}

function listOf<T extends string>(text: string, isOne: (word: string) => word is T, noun: string, all: object): T[] {
  return text.split(',').map((word) => {
    if (isOne(word)) return word
    throw new ArgumentError(`There is no ${noun} ${word}; there are ${Object.keys(all).join(', ')}.`)
  })
}

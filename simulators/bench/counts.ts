// Options of a benchmark whose values are whole numbers: `--seconds 5`.
import { ArgumentError } from '../arguments.ts'

/** `flags`: the flag of each option. Errors: `ArgumentError`. */
export function readCounts<Name extends string>(
  argv: readonly string[],
  flags: Readonly<Record<Name, string>>,
  defaults: Readonly<Record<Name, number>>,
): Record<Name, number> & { help: boolean } {
  const options = { ...defaults, help: false }
  const names = Object.keys(flags) as Name[]
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!
    if (word === '--help' || word === '-h') {
      options.help = true
      continue
    }
    const name = names.find((one) => flags[one] === word)
    if (name === undefined) throw new ArgumentError(`There is no option ${word}; --help lists them.`)
    const value = Number(argv[++at])
    if (!Number.isInteger(value) || value < 1) throw new ArgumentError(`${word} needs a whole number above 0 after it.`)
    Object.assign(options, { [name]: value })
  }
  return options
}

// mooring completion: scripts that teach a shell the commands, from the table that help is made from.
import { define, exitCodes, type Option, type Outline, UsageError } from './command.ts'
import { bashScript, fishScript, zshScript } from './completion-scripts.ts'
import { type Entry, isGroup } from './help.ts'
import { print } from './print.ts'

type Entries = Readonly<Record<string, Entry | Outline>>

/** What may stand behind the words that have been typed. */
export interface Place {
  /** `devices set`; empty behind `mooring` itself. */
  readonly words: string
  /** What may come next, with what it is. */
  readonly next: readonly (readonly [word: string, summary: string])[]
  readonly options: Readonly<Record<string, Option>>
  /** It takes names of files. */
  readonly takesFiles: boolean
}

const help: Option = { type: 'boolean', says: 'all there is to say' }

export function placesOf(entries: Entries): Place[] {
  const names = Object.entries(entries).map(([name, { summary }]): [string, string] => [name, summary])
  const version: Option = { type: 'boolean', says: 'which version this is' }
  return [
    { words: '', next: [...names, ['help', 'what there is to say about a command']], options: { help, version }, takesFiles: false },
    { words: 'help', next: names, options: {}, takesFiles: false },
    ...Object.entries(entries).flatMap(([name, entry]) => {
      if (!isGroup(entry)) return [placeOf(name, entry)]
      const next = Object.entries(entry.commands).map(([word, { summary }]): [string, string] => [word, summary])
      const standard = entry.standard === undefined ? undefined : entry.commands[entry.standard]
      const own = { words: name, next, options: { help, ...standard?.options }, takesFiles: false }
      return [own, ...Object.entries(entry.commands).map(([word, command]) => placeOf(`${name} ${word}`, command))]
    }),
  ]
}

function placeOf(words: string, { operands, words: proposed = [], options }: Outline): Place {
  const takesFiles = operands.some((operand) => /FILE|BACKUP/.test(operand))
  return { words, next: proposed.map((word) => [word, '']), options: { help, ...options }, takesFiles }
}

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const

const about = `Prints a script that completes commands, their options, and names of files. For this shell alone, or at each start:

  eval "$(mooring completion bash)"                                    # in ~/.bashrc
  eval "$(mooring completion zsh)"                                     # in ~/.zshrc, behind compinit
  mooring completion fish > ~/.config/fish/completions/mooring.fish`

/** `entries` is asked for when it runs: it is one of them itself. */
export function completionCommand(entries: () => Entries) {
  const shells = Object.keys(scripts)
  return define({
    summary: 'a script that completes commands in bash, zsh or fish',
    operands: ['bash|zsh|fish'],
    words: shells,
    about,
    options: {},
    ends: '',
    async run(_, [shell = ''], terminal) {
      if (!Object.hasOwn(scripts, shell)) throw new UsageError(`there are scripts for ${shells.join(', ')}, and not for ${shell}`)
      await print(terminal, scripts[shell as keyof typeof scripts](placesOf(entries())))
      return exitCodes.done
    },
  })
}

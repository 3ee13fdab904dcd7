// What `--help` prints, from the outlines of the commands.
import type { Command, Group, Option, Outline } from './command.ts'

const columns = 120
/** A wider name of an option has what it says in the line below. */
const nameColumnsMax = 20

export type Entry = Command | Group

export function isGroup(entry: Entry | Outline): entry is Group {
  return 'commands' in entry
}

/** `onFiles`: commands of another program that people call by the same name. */
export function overview(commands: Readonly<Record<string, Entry>>, onFiles: Readonly<Record<string, Outline>>): string {
  const width = Math.max(...Object.keys({ ...commands, ...onFiles }).map((name) => name.length))
  const list = (entries: Readonly<Record<string, Entry | Outline>>) =>
    Object.entries(entries).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return [
    'mooring COMMAND [options], for a hub that runs',
    '',
    ...list(commands),
    '',
    'For the files of a hub, whether it runs or not:',
    '',
    ...list(onFiles),
    '',
    'mooring COMMAND --help says more; npm start starts a hub.',
  ].join('\n')
}

export function helpOf(name: string, { operands, about, options, ends }: Outline): string {
  const title = ['mooring', name, ...operands, ...(Object.keys(options).length === 0 ? [] : ['[options]'])].join(' ')
  const names = Object.entries(options).map(([option, { value }]) => `--${option}${value === undefined ? '' : ` ${value}`}`)
  const width = Math.min(nameColumnsMax, Math.max(...names.map((text) => text.length)))
  const rows = Object.values(options).flatMap(({ says }, at) => rowOf(names[at]!, says, width))
  return [title, '', about, '', ...rows, '', `Exit codes: 0 done, ${ends}2 wrong usage, 130 stopped by Ctrl-C.`].join('\n')
}

export function helpOfGroup(name: string, { summary, commands, standard }: Group): string {
  const names = Object.entries(commands).map(([command, { operands }]) => [command, ...operands].join(' '))
  const width = Math.max(...names.map((text) => text.length))
  const standardOperands = standard === undefined ? [] : (commands[standard]?.operands ?? [])
  const shortest = ['mooring', name, ...standardOperands].join(' ')
  return [
    `mooring ${name} COMMAND [options]: ${summary}`,
    '',
    ...Object.values(commands).map((command, at) => `  ${names[at]!.padEnd(width)}  ${command.summary}`),
    '',
    ...(standard === undefined ? [] : [`${shortest} is mooring ${[name, standard, ...standardOperands].join(' ')}.`]),
    `mooring ${name} COMMAND --help says more.`,
  ].join('\n')
}

function rowOf(name: string, says: Option['says'], width: number): string[] {
  const [first = '', ...others] = wrapped(says, columns - width - 4)
  const below = others.map((line) => `${' '.repeat(width + 4)}${line}`)
  if (name.length <= width) return [`  ${name.padEnd(width)}  ${first}`, ...below]
  return [`  ${name}`, `${' '.repeat(width + 4)}${first}`, ...below]
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = ''
    }
    line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

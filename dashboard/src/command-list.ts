// The commands that the page shows: read by filter, kept up by the live frames.
import { batch, signal } from '@preact/signals'
import type { CommandState } from '../../devices/commands.ts'
import { type Command, type CommandsAsked, loadCommands } from './api/commands.ts'
import { Problem } from './api.ts'
import type { CommandNews } from './live.ts'

export const states: readonly CommandState[] = ['queued', 'sent', 'received', 'done', 'effective', 'failed', 'expired', 'cancelled']

export interface CommandFilter extends CommandsAsked {
  /** Lower case; each has to be part of the device or the name. */
  readonly words: readonly string[]
}

/** Commands in the list; who wants more narrows the filter. */
export const rowsMax = 2_000
const pageRows = 200
/** New commands are read together, this often at most. */
const readEveryMs = 500

export function filterIn(text: string): CommandFilter {
  const found = { states: [] as CommandState[], devices: [] as string[], names: [] as string[], words: [] as string[] }
  let bulk: string | undefined
  for (const word of text.trim().split(/\s+/)) {
    const [, name, value = ''] = /^(state|device|name|bulk):(.*)$/.exec(word) ?? []
    if (name === undefined) {
      if (word !== '') found.words.push(word.toLowerCase())
    } else if (value === '') continue
    else if (name === 'state') found.states.push(...states.filter((state) => state.startsWith(value.toLowerCase())))
    else if (name === 'device') found.devices.push(value)
    else if (name === 'name') found.names.push(value)
    else if (/^[0-9a-z]{10,11}$/.test(value)) bulk = value
  }
  return { ...found, bulk }
}

export function matches({ state, device, name, bulk }: Command, filter: CommandFilter): boolean {
  if (filter.states.length > 0 && !filter.states.includes(state)) return false
  if (filter.devices.length > 0 && !filter.devices.includes(device)) return false
  if (filter.names.length > 0 && !filter.names.includes(name)) return false
  if (filter.bulk !== undefined && filter.bulk !== bulk) return false
  return filter.words.every((word) => device.toLowerCase().includes(word) || name.toLowerCase().includes(word))
}

/** The command after its newest step. */
export function stepped(command: Command, { state, at, reason, result }: CommandNews): Command {
  const last = command.trail.at(-1)
  const isKnown = last?.state === state && last.at === at
  return {
    ...command,
    state,
    reason: reason ?? null,
    result: result === undefined ? command.result : result,
    over: state === 'done' ? command.until === null : states.indexOf(state) > states.indexOf('done'),
    trail: isKnown ? command.trail : [...command.trail, reason === undefined ? { state, at } : { state, at, reason }],
  }
}

export class CommandList {
  /** The newest first; null before they were read. */
  readonly rows = signal<readonly Command[] | null>(null)
  /** There are older ones on the hub. */
  readonly hasOlder = signal(false)
  readonly problem = signal<Problem | null>(null)
  #filter: CommandFilter = filterIn('')
  #abort = new AbortController()
  #timer = 0

  /** Reads the newest that the filter lets through. */
  async load(filter: CommandFilter): Promise<void> {
    this.stop()
    const abort = new AbortController()
    this.#abort = abort
    this.#filter = filter
    await this.#read(undefined, abort.signal)
  }

  older(): Promise<void> {
    return this.#read(this.rows.peek()?.at(-1)?.id, this.#abort.signal)
  }

  stop(): void {
    this.#abort.abort()
    clearTimeout(this.#timer)
    this.#timer = 0
  }

  onNews(news: readonly CommandNews[]): void {
    const rows = this.rows.peek()
    if (rows === null) return
    const steps = new Map(news.map((one) => [one.id, one]))
    const next = rows.map((command) => {
      const step = steps.get(command.id)
      steps.delete(command.id)
      return step === undefined ? command : stepped(command, step)
    })
    this.rows.value = next.filter((command) => matches(command, this.#filter))
    const newest = rows[0]?.id ?? ''
    // Ids grow; an older one that is not shown was not asked for, unless its state brings it into view.
    if ([...steps.values()].some(({ id, state }) => id > newest || this.#filter.states.includes(state))) this.#readSoon()
  }

  #readSoon(): void {
    if (this.#timer !== 0) return
    const { signal } = this.#abort
    this.#timer = window.setTimeout(() => {
      this.#timer = 0
      void this.#read(undefined, signal)
    }, readEveryMs)
  }

  async #read(before: string | undefined, signal: AbortSignal): Promise<void> {
    const isFirst = this.rows.peek() === null || before === undefined
    try {
      const { commands, next } = await loadCommands(this.#filter, before, pageRows, signal)
      if (signal.aborted) return
      const read = commands.filter((command) => matches(command, this.#filter))
      const oldest = commands.at(-1)?.id ?? ''
      const kept = (this.rows.peek() ?? []).filter(
        (command) => matches(command, this.#filter) && (isFirst ? next !== null && command.id < oldest : command.id >= (before ?? '')),
      )
      batch(() => {
        this.rows.value = (isFirst ? [...read, ...kept] : [...kept, ...read]).slice(0, rowsMax)
        if (!isFirst || kept.length === 0) this.hasOlder.value = next !== null
        this.problem.value = null
      })
    } catch (error) {
      if (error instanceof Problem) this.problem.value = error
      else if (!signal.aborted) throw error
    }
  }
}

// mooring status: how a hub stands, on one screen.
import { setTimeout as after } from 'node:timers/promises'
import { CommandError, define, exitCodes, type Terminal, UsageError } from './command.ts'
import { askJson, type HubAddress, hubOptions } from './connection.ts'
import { jsonOption, print, screenWidthOf } from './print.ts'
import { shortened, visible } from './table.ts'
import { stretchOf } from './times.ts'

interface Counted {
  readonly code?: string
  readonly reason?: string
  readonly count: number
}

interface HubAnswer {
  readonly version: string
  readonly startedAt: number
  readonly durability: string
  readonly figures: Readonly<Record<string, number>>
  readonly refusals: readonly Counted[]
  readonly drops: readonly Counted[]
}

interface StoreAnswer {
  readonly series: { readonly count: number; readonly points: number; readonly bytes: number }
  readonly projection: { readonly lagMessages: number }
  readonly disk: {
    readonly bytes: number
    readonly freeBytes: number
    readonly budgetBytes: number | null
    readonly daysLeft: number | null
  }
  readonly integrity: { readonly damaged: readonly string[] }
  readonly problem: string | null
}

interface Standing {
  readonly hub: HubAnswer
  readonly store: StoreAnswer
}

const repaintEveryMs = 1000
/** How many reasons are named. */
const reasonsShown = 8

export const statusCommand = define({
  summary: 'how the hub stands, on one screen',
  operands: [],
  about: 'Rates are of the last second; refusals and drops are counted since the start of the hub, and shown where there were any.',
  options: {
    watch: { type: 'boolean', says: 'again each second, until Ctrl-C; on a terminal' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 the hub cannot be reached, ',
  async run(values, _, terminal) {
    if (values.watch === true) return watch(values, terminal)
    const standing = await standingOf(values, terminal.signal)
    const text = values.json === true ? JSON.stringify(standing) : linesOf(standing, values.url, Date.now()).join('\n')
    await print(terminal, `${text}\n`)
    return exitCodes.done
  },
})

async function standingOf(hub: HubAddress, signal: AbortSignal): Promise<Standing> {
  const [figures, store] = await Promise.all([
    askJson<HubAnswer>(hub, { method: 'GET', path: '/v1/hub', signal }),
    askJson<StoreAnswer>(hub, { method: 'GET', path: '/v1/store', signal }),
  ])
  return { hub: figures, store }
}

/** A hub that cannot be reached later is waited for: that is what one watches for. Errors: what the first look finds wrong; Ctrl-C. */
async function watch(hub: HubAddress & { readonly json: boolean | undefined }, terminal: Terminal): Promise<never> {
  if (terminal.stdout.isTTY !== true || hub.json === true) throw new UsageError('--watch is for a terminal, without --json')
  let lines = linesOf(await standingOf(hub, terminal.signal), hub.url, Date.now())
  terminal.stdout.write('\u001b[?25l\u001b[2J') // no cursor, an empty screen
  try {
    for (;;) {
      const width = screenWidthOf(terminal) ?? 80
      // Each line over the one before, so that nothing flickers; then what is left below is wiped.
      await print(terminal, `\u001b[H${lines.map((line) => `${shortened(line, width)}\u001b[K\r\n`).join('')}\u001b[J`)
      await after(repaintEveryMs, undefined, { signal: terminal.signal })
      lines = await standingOf(hub, terminal.signal).then(
        (standing) => linesOf(standing, hub.url, Date.now()),
        (error: Error) => {
          if (terminal.signal.aborted || !(error instanceof CommandError)) throw error
          return [...lines.filter((line) => !line.startsWith(unreachable)), `${unreachable} ${error.message}`]
        },
      )
    }
  } catch (error) {
    throw terminal.signal.aborted ? terminal.signal.reason : error
  } finally {
    terminal.stdout.write('\u001b[?25h')
  }
}

const unreachable = `  ${'NOW'.padEnd(12)}`

function linesOf({ hub, store }: Standing, url: string, nowMs: number): string[] {
  const { figures, refusals, drops } = hub
  const number = (name: string) => (figures[name] ?? 0).toLocaleString('en-US', { maximumFractionDigits: 1 })
  const { series, projection, disk, integrity, problem } = store
  const lag = projection.lagMessages === 0 ? '' : `, ${projection.lagMessages.toLocaleString('en-US')} messages on their way`
  const budget = disk.budgetBytes === null ? '' : ` of ${bytes(disk.budgetBytes)}`
  const left = disk.daysLeft === null ? '' : `, room for ${Math.round(disk.daysLeft).toLocaleString('en-US')} days`
  const rows: [string, string][] = [
    ['devices', `${number('devices')}, ${number('connected')} connected`],
    [
      'connections',
      `${number('connections')}, ${number('sessions')} sessions, ${number('subscriptions')} subscriptions, ${number('retained')} retained`,
    ],
    ['messages', `${number('messagesPerSecond')}/s in, ${number('deliveriesPerSecond')}/s out`],
    [
      'commits',
      `${number('commitsPerSecond')}/s, the last took ${number('lastCommitMs')} ms, ${bytes(figures['backlogBytes'] ?? 0)} waiting`,
    ],
    ['loop', `late by ${number('loopDelayMs')} ms at most`],
    [
      'stored',
      `${series.points.toLocaleString('en-US')} points in ${series.count.toLocaleString('en-US')} series, ${bytes(series.bytes)}${lag}`,
    ],
    ['disk', `${bytes(disk.bytes)}${budget}, ${bytes(disk.freeBytes)} free${left}`],
    ...countsOf('refused', refusals),
    ...countsOf('dropped', drops),
    ...integrity.damaged.map((sentence): [string, string] => ['DAMAGED', sentence]),
    ...(problem === null ? [] : [['PROBLEM', problem] satisfies [string, string]]),
  ]
  const title = `Mooring ${hub.version} at ${url}, up ${stretchOf(nowMs - hub.startedAt)}, durability ${hub.durability}`
  return [title, '', ...rows.map(([name, text]) => `  ${name.padEnd(12)} ${text}`)].map(visible)
}

function countsOf(name: string, all: readonly Counted[]): [string, string][] {
  const met = all.filter(({ count }) => count > 0).toSorted((one, other) => other.count - one.count)
  const more = met.length > reasonsShown ? `, and for ${met.length - reasonsShown} more reasons` : ''
  const words = met.slice(0, reasonsShown).map(({ code, reason, count }) => `${code ?? reason} ${count.toLocaleString('en-US')}`)
  return met.length === 0 ? [] : [[name, words.join(', ') + more]]
}

function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, count < 1 ? 0 : Math.floor(Math.log10(count) / 3))
  return `${(count / 1000 ** power).toLocaleString('en-US', { maximumFractionDigits: power === 0 ? 0 : 1 })} ${units[power]}`
}

// The outcome of all runs as a table for people. Medians, because one disturbed round should not move a figure.
import type { Held } from './idle.ts'
import type { Measured } from './measurement.ts'
import { type Scenario, type ScenarioName, scenarios } from './scenarios.ts'
import type { ServerName } from './servers.ts'

/** One run: one scenario, one server, one round. */
export interface Run {
  readonly scenario: ScenarioName
  readonly server: ServerName
  readonly round: number
  readonly outcome: Measured | Held
}

export interface Row {
  readonly server: ServerName
  readonly runs: number
  /** Of them, how many had losses, duplicates, order errors or broken connections. */
  readonly unclean: number
  readonly cpuMicroseconds?: number
  readonly perSecond?: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  readonly bytesPerConnection?: number
  readonly connections?: number
  /** The main figure over that of the floor; undefined without a floor. */
  readonly toFloor?: number
  readonly ownMicroseconds?: number
  readonly otherCores?: number
}

export function rowsOf(scenario: ScenarioName, runs: readonly Run[]): Row[] {
  const ofScenario = runs.filter((run) => run.scenario === scenario)
  const names = [...new Set(ofScenario.map(({ server }) => server))]
  const rows = names.map((server) =>
    rowOf(
      server,
      ofScenario.filter((run) => run.server === server).map(({ outcome }) => outcome),
    ),
  )
  const floor = rows.find(({ server }) => server === 'floor')
  return rows.map((row) => ({ ...row, ...(floor ? { toFloor: mainFigure(row) / mainFigure(floor) } : {}) }))
}

export function tableOf(scenario: ScenarioName, rows: readonly Row[]): string {
  const { says, unit }: Scenario = scenarios[scenario]
  const isIdle = unit === 'connection'
  const head = isIdle
    ? ['server', 'bytes/connection', 'connections', 'to the floor', '']
    : ['server', `CPU-µs/${unit}`, `${plurals[unit]}/s`, 'p50 ms', 'p99 ms', 'to the floor', 'load µs', '']
  const lines = rows.map((row) => {
    const ratio = row.toFloor === undefined ? '' : `${row.toFloor.toFixed(2)} ×`
    const note =
      row.unclean > 0
        ? `${row.unclean} of ${row.runs} runs NOT CLEAN`
        : (row.otherCores ?? 0) > 0.4
          ? `busy machine (${row.otherCores?.toFixed(1)} cores)`
          : ''
    if (isIdle) return [row.server, count(row.bytesPerConnection), count(row.connections), ratio, note]
    return [
      row.server,
      micros(row.cpuMicroseconds),
      count(row.perSecond),
      millis(row.p50Ms),
      millis(row.p99Ms),
      ratio,
      micros(row.ownMicroseconds),
      note,
    ]
  })
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((cells) => cells[column]!.length)))
  const printed = [head, ...lines].map((cells) =>
    cells
      .map((cell, column) => (column === 0 || column === cells.length - 1 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
  return [`${scenario}: ${says}`, ...printed.map((line) => `  ${line}`)].join('\n')
}

function rowOf(server: ServerName, outcomes: readonly (Measured | Held)[]): Row {
  const unclean = outcomes.filter(({ clean }) => !clean).length
  const held = outcomes.filter((outcome) => 'bytesPerConnection' in outcome)
  const measured = outcomes.filter((outcome) => 'messages' in outcome)
  const of = (field: 'cpuMicroseconds' | 'perSecond' | 'p50Ms' | 'p99Ms' | 'ownMicroseconds' | 'otherCores') =>
    median(measured.map((outcome) => outcome[field]))
  if (held.length > 0) {
    return {
      server,
      runs: outcomes.length,
      unclean,
      bytesPerConnection: median(held.map(({ bytesPerConnection }) => bytesPerConnection)),
      connections: median(held.map(({ connections }) => connections)),
    }
  }
  return {
    server,
    runs: outcomes.length,
    unclean,
    cpuMicroseconds: of('cpuMicroseconds'),
    perSecond: of('perSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    ownMicroseconds: of('ownMicroseconds'),
    otherCores: of('otherCores'),
  }
}

const plurals = { message: 'messages', delivery: 'deliveries', line: 'lines', connection: 'connections' } as const

function mainFigure(row: Row): number {
  return row.bytesPerConnection ?? row.cpuMicroseconds ?? Number.NaN
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function micros(value: number | undefined): string {
  return value === undefined ? '' : value.toFixed(value < 10 ? 2 : 1)
}

function millis(value: number | undefined): string {
  return value === undefined ? '' : value.toFixed(value < 10 ? 2 : 0)
}

function count(value: number | undefined): string {
  return value === undefined ? '' : Math.round(value).toLocaleString('en-US')
}

// `npm run bench`: every scenario against every server, in rounds, and a table at the end. Everything stays on 127.0.0.1.
import { writeFileSync } from 'node:fs'
import { ArgumentError } from '../arguments.ts'
import { benchCommands } from './commands.ts'
import type { Held } from './idle.ts'
import { startLoad } from './load-process.ts'
import { benchLogins } from './logins.ts'
import type { Measured } from './measurement.ts'
import { benchPresence } from './presence.ts'
import { doorOf, isScenarioName, loadFor, type Scenario, type ScenarioName, scenarios } from './scenarios.ts'
import { hasDoor, isServerName, missing, pinnedTo, type ServerName, servers, startServer } from './servers.ts'
import { benchStore } from './store.ts'
import { type Run, rowsOf, tableOf } from './table.ts'

interface BenchOptions {
  readonly help: boolean
  readonly quick: boolean
  readonly rounds: number
  readonly only: readonly ScenarioName[]
  readonly servers: readonly ServerName[]
  readonly out: string
}

const standardScenarios = (Object.keys(scenarios) as ScenarioName[]).filter((name) => name !== 'websocket-16')
const standardServers: readonly ServerName[] = ['floor', 'hub', 'mosquitto', 'tornado']

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1)) // what runs is ended on exit

try {
  const argv = process.argv.slice(2)
  if (argv[0] === 'store') await benchStore(argv.slice(1))
  else if (argv[0] === 'logins') await benchLogins(argv.slice(1))
  else if (argv[0] === 'commands') await benchCommands(argv.slice(1))
  else if (argv[0] === 'presence') await benchPresence(argv.slice(1))
  else await benchServers(readOptions(argv))
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}

async function benchServers(options: BenchOptions): Promise<void> {
  if (options.help) {
    console.log(helpText())
    return
  }
  if (pinnedTo(0).length === 0)
    console.log('Servers and load share the cores: taskset or a second core is missing, so rates are lower than they could be.')
  const pairs = presentPairs(options)
  const runs: Run[] = []
  // Rounds outside, servers inside: what disturbs the machine for a minute then disturbs all of them alike.
  for (let round = 1; round <= options.rounds; round++) {
    for (const { scenario, server } of pairs) {
      const outcome = await runOnce(scenario, server, options.quick)
      if (outcome === undefined) continue
      runs.push({ scenario, server, round, outcome })
      console.error(`  ${round}/${options.rounds}  ${scenario}  ${server}  ${summary(outcome)}`)
    }
  }
  const tables = options.only.map((scenario) => ({ scenario, rows: rowsOf(scenario, runs) })).filter(({ rows }) => rows.length > 0)
  for (const { scenario, rows } of tables) console.log(`\n${tableOf(scenario, rows)}`)
  const bySystem = {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    takenAt: new Date().toISOString(),
    quick: options.quick,
  }
  writeFileSync(options.out, `${JSON.stringify({ ...bySystem, tables, runs }, undefined, 2)}\n`)
  if (runs.some(({ outcome }) => !outcome.clean)) throw new Error('Some runs were not clean; their figures prove nothing.')
}

/** What runs: each scenario with the servers that speak its protocol and are installed. Says which are not, once. */
function presentPairs({ only, servers: chosen }: BenchOptions): { scenario: ScenarioName; server: ServerName }[] {
  const said = new Set<string>()
  return only.flatMap((scenario) =>
    chosen
      .filter((server) => {
        const door = doorOf(scenario)
        if (!hasDoor(server, door)) return false
        const why = missing(server, door)
        if (why === undefined) return true
        const sentence = `${server} is left out: ${why}.`
        if (!said.has(sentence)) console.log(sentence)
        said.add(sentence)
        return false
      })
      .map((server) => ({ scenario, server })),
  )
}

/** A fresh server, one load, and the server is gone again. Undefined when the server cannot do it. */
async function runOnce(scenario: ScenarioName, name: ServerName, isQuick: boolean): Promise<Measured | Held | undefined> {
  const server = await startServer(name, doorOf(scenario))
  try {
    const load = loadFor(scenario, server, isQuick)
    return load && ((await startLoad(load).outcome) as Measured | Held)
  } finally {
    await server.stop()
  }
}

function summary(outcome: Measured | Held): string {
  const clean = outcome.clean ? '' : `  NOT CLEAN${outcome.trouble === null ? '' : `: ${outcome.trouble}`}`
  if ('bytesPerConnection' in outcome) return `${Math.round(outcome.bytesPerConnection)} bytes each of ${outcome.connections}${clean}`
  const threads = Object.entries(outcome.threads).map(([name, seconds]) => `${name} ${seconds.toFixed(2)} s`)
  const settled = outcome.settled ? '' : '  still working'
  const rate = `${outcome.cpuMicroseconds.toFixed(2)} µs  ${Math.round(outcome.perSecond)}/s`
  return `${rate}  (${threads.join(', ')})${settled}${clean}`
}

function readOptions(argv: readonly string[]): BenchOptions {
  let only: readonly ScenarioName[] = standardScenarios
  let chosen: readonly ServerName[] = standardServers
  let rounds: number | undefined
  let quick = false
  let help = false
  let out = 'bench.json'
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!
    const value = () => {
      const next = argv[++at]
      if (next === undefined) throw new ArgumentError(`${word} needs a value after it.`)
      return next
    }
    if (word === '--help' || word === '-h') help = true
    else if (word === '--quick') quick = true
    else if (word === '--rounds') rounds = Number(value())
    else if (word === '--out') out = value()
    else if (word === '--only') only = listOf(value(), isScenarioName, 'scenario', Object.keys(scenarios))
    else if (word === '--servers') chosen = listOf(value(), isServerName, 'server', Object.keys(servers))
    else throw new ArgumentError(`There is no option ${word}; --help lists them.`)
  }
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) throw new ArgumentError('--rounds takes a whole number above 0.')
  return { help, quick, rounds: rounds ?? (quick ? 1 : 3), only, servers: chosen, out }
}

function listOf<T extends string>(text: string, isOne: (word: string) => word is T, noun: string, all: readonly string[]): T[] {
  return text.split(',').map((word) => {
    if (isOne(word)) return word
    throw new ArgumentError(`There is no ${noun} ${word}; there are ${all.join(', ')}.`)
  })
}

function helpText(): string {
  const rows = (table: Readonly<Record<string, { readonly says: string }>>) =>
    Object.entries(table).map(([name, { says }]) => `  ${name.padEnd(14)} ${says}`)
  const all: Readonly<Record<string, Scenario>> = scenarios
  return [
    'What a message, a delivery and an idle connection cost, beside the least that is possible.',
    '',
    'npm run bench -- [--quick] [--rounds 3] [--only window-16,idle] [--servers floor,hub] [--out bench.json]',
    'npm run bench -- store --help: what a stored point costs, beside plain rows',
    'npm run bench -- logins --help: what it costs to find out who comes',
    '',
    'Scenarios',
    ...rows(all),
    '',
    `Servers (standard: ${standardServers.join(', ')})`,
    ...rows(servers),
  ].join('\n')
}

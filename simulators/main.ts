// `npm run fleet`: the process. Arguments, a look whether a hub is there, the run, the report, the exit code.
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ArgumentError, type Arguments, helpText, readArguments } from './arguments.ts'
import { Fleet, membersOf } from './fleet.ts'
import { Past } from './past.ts'
import { profiles } from './profiles/profiles.ts'
import { Progress } from './progress.ts'
import { grouped } from './report.ts'
import { usesMqttPort } from './uplink.ts'

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())

try {
  const given = readArguments(process.argv.slice(2))
  if (given.command === 'help') console.log(helpText())
  else await run(given)
} catch (error) {
  if (!(error instanceof ArgumentError)) throw error
  console.error(`fleet: ${error.message}`)
  process.exitCode = 1
}

async function run(given: Arguments): Promise<void> {
  if (given.pastSeconds === undefined) return runLive(given)
  await mustAnswer(given.hub.http, '--http')
  await sendPast(given, given.pastSeconds)
  if (given.seconds !== undefined && !stop.signal.aborted && process.exitCode === undefined) await runLive(given)
}

async function sendPast({ squads, hub, everySeconds, seed }: Arguments, seconds: number): Promise<void> {
  const past = new Past({ members: membersOf(squads), http: hub.http, seconds, everySeconds, seed })
  console.log(
    `Sending ${grouped(past.total)} readings of ${listed(squads)}, one every ${past.everySeconds} s since ${new Date(past.fromMs).toISOString()}; ` +
      'Ctrl-C stops.',
  )
  const beganAtMs = performance.now()
  const runSeconds = () => (performance.now() - beganAtMs) / 1000
  const progress = new Progress(process.stdout, () => past.progressLine(runSeconds()))
  progress.start()
  try {
    await past.send(stop.signal)
  } catch (error) {
    progress.stop()
    console.error(`fleet: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
  progress.stop()
  if (past.refused > 0) process.exitCode = 1
  console.log(`The past of ${grouped(membersOf(squads).length)} devices, ${runSeconds().toFixed(1)} s\n${past.report(runSeconds())}`)
}

async function runLive({ squads, hub, seconds, everySeconds, seed }: Arguments): Promise<void> {
  const wires = squads.map(({ profile }) => profiles[profile].wire)
  if (wires.some(usesMqttPort)) await mustAnswer(hub.mqtt, '--url')
  if (!wires.every(usesMqttPort)) await mustAnswer(hub.http, '--http')

  const fleet = new Fleet({ squads, hub, everySeconds, seed })
  const beganAtMs = performance.now()
  const runSeconds = () => (performance.now() - beganAtMs) / 1000
  const progress = new Progress(process.stdout, () => fleet.report.progressLine(fleet.size, runSeconds()))
  console.log(`Starting ${listed(squads)}; Ctrl-C stops them and prints the report.`)
  progress.start()
  const started = fleet.start()
  await sleep(seconds === undefined ? 0x7fff_ffff : seconds * 1000, undefined, { signal: stop.signal }).catch(() => {})
  const report = await fleet.stop()
  await started
  progress.stop()
  console.log(`${grouped(fleet.size)} devices, ${runSeconds().toFixed(1)} s\n${report}`)
}

function listed(squads: Arguments['squads']): string {
  return squads.map(({ count, profile }) => `${grouped(count)} ${profile}`).join(', ')
}

/** A fleet that hammers a closed port tells nobody anything. */
async function mustAnswer(url: URL, flag: string): Promise<void> {
  const port = Number(url.port || (url.protocol === 'mqtt:' ? 1883 : 80))
  const answered = await new Promise<boolean>((resolve) => {
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port, timeout: 5000 })
    const settle = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
    socket.once('timeout', () => settle(false))
  })
  if (!answered)
    throw new ArgumentError(`No hub answers at ${url.hostname}:${port}. Start one with \`npm start\`, or say with ${flag} where it is.`)
}

// `npm run fleet`: the process. Arguments, a look whether a hub is there, the run, the report, the exit code.
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ArgumentError, type Arguments, helpText, readArguments } from './arguments.ts'
import { Fleet } from './fleet.ts'
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

async function run({ squads, hub, seconds, everySeconds, seed }: Arguments): Promise<void> {
  const wires = squads.map(({ profile }) => profiles[profile].wire)
  if (wires.some(usesMqttPort)) await mustAnswer(hub.mqtt, '--url')
  if (!wires.every(usesMqttPort)) await mustAnswer(hub.http, '--http')

  const fleet = new Fleet({ squads, hub, everySeconds, seed })
  const beganAtMs = performance.now()
  const runSeconds = () => (performance.now() - beganAtMs) / 1000
  const progress = new Progress(process.stdout, () => fleet.report.progressLine(fleet.size, runSeconds()))
  console.log(
    `Starting ${squads.map(({ count, profile }) => `${grouped(count)} ${profile}`).join(', ')}; Ctrl-C stops them and prints the report.`,
  )
  progress.start()
  const started = fleet.start()
  await sleep(seconds === undefined ? 0x7fff_ffff : seconds * 1000, undefined, { signal: stop.signal }).catch(() => {})
  const report = await fleet.stop()
  await started
  progress.stop()
  console.log(`${grouped(fleet.size)} devices, ${runSeconds().toFixed(1)} s\n${report}`)
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

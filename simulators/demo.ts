// `npm run demo`: a hub and a small mixed fleet, so that the dashboard has something to show. What stands after `--` goes to the hub.
import { Fleet, type Squad } from './fleet.ts'
import { HubDied, type HubProcess, startHubProcess } from './hub-process.ts'
import { Progress } from './progress.ts'

const squads: readonly Squad[] = [
  { count: 20, profile: 'thermostat' },
  { count: 5, profile: 'pump' },
  { count: 2, profile: 'tracker' },
  { count: 2, profile: 'web-tracker' },
  { count: 2, profile: 'flaky' },
]
const help = `A hub with simulated devices: ${squads.map(({ count, profile }) => `${count} ${profile}`).join(', ')}.

npm run demo -- [settings of the hub, such as --http-port 9000; npm start -- --help lists them]

Its database is in ./data/demo unless --data says otherwise. Ctrl-C stops the devices, prints their report and stops the hub.`

const given = process.argv.slice(2)
if (given.includes('--help') || given.includes('-h')) console.log(help)
else process.exitCode = await demo(given)

async function demo(settings: readonly string[]): Promise<number> {
  const stopped = new Promise<'stop'>((resolve) => {
    let asked = false
    const onSignal = () => {
      if (asked) process.exit(1) // the second Ctrl-C means now; the hub is killed on exit
      asked = true
      resolve('stop')
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  })

  const hasData = settings.some((word) => word === '--data' || word.startsWith('--data='))
  let hub: HubProcess
  try {
    hub = await startHubProcess(hasData ? settings : ['--data', './data/demo', ...settings], { output: process.stdout })
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : error}`)
    return error instanceof HubDied && typeof error.exit === 'number' && error.exit > 0 ? error.exit : 1
  }

  const fleet = new Fleet({ squads, hub: { mqtt: new URL(`mqtt://127.0.0.1:${hub.mqtt}`), http: new URL(`http://127.0.0.1:${hub.http}`) } })
  console.log(`Dashboard  http://127.0.0.1:${hub.http}/`)
  console.log(`MQTT       mqtt://127.0.0.1:${hub.mqtt}`)
  console.log(`${fleet.size} devices are starting; Ctrl-C stops everything.`)
  const beganAtMs = performance.now()
  const progress = new Progress(process.stdout, () => fleet.report.progressLine(fleet.size, (performance.now() - beganAtMs) / 1000))
  progress.start()
  const started = fleet.start()
  const first = await Promise.race([stopped, hub.exited])
  if (first !== 'stop') {
    progress.stop()
    console.error(`demo: the hub ended with ${first}.`)
    process.exit(typeof first === 'number' ? first : 1) // the devices would try for ever to reach it
  }
  const report = await fleet.stop()
  await started
  progress.stop()
  console.log(`${fleet.size} devices\n${report}`)
  await hub.stop()
  return 0
}

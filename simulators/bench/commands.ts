// `npm run bench -- commands`: how long a command takes there and back; what many that wait cost those who publish; how fast they drain.
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Publish } from '../clients/encode.ts'
import { connectMqtt, type MqttClient } from '../clients/mqtt.ts'
import { MqttSession } from '../clients/session.ts'
import { openTcp } from '../clients/tcp.ts'
import { Histogram } from '../histogram.ts'
import { type HubProcess, startHubProcess } from '../hub-process.ts'
import { readCounts } from './counts.ts'
import { readCpu, settled } from './proc.ts'

interface CommandOptions {
  readonly help: boolean
  readonly calls: number
  readonly devices: number
  readonly queued: number
  readonly seconds: number
}

const help = `How long commands take, and what they cost.

npm run bench -- commands [--calls 2000] [--devices 1000] [--queued 100000] [--seconds 5]

First --calls commands, one after the other, to one device that answers at once, each waited for over HTTP. Then somebody publishes for --seconds
with nothing queued, and again while --queued commands wait for --devices that are away. Then these come, and take theirs.`

const publishEveryMs = 2
/** As many targets as one request may name. */
const bulkMax = 100_000
const connectingAtATime = 50

export async function benchCommands(argv: readonly string[]): Promise<void> {
  const options = readCommandOptions(argv)
  if (options.help) {
    console.log(help)
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'mooring-bench-commands-'))
  const ports = ['--mqtt-port', '0', '--http-port', '0', '--mqtts-port', 'off', '--https-port', 'off']
  const hub = await startHubProcess([...ports, '--data', folder, '--log-level', 'error'])
  const agent = new Agent({ keepAlive: true })
  try {
    const { calls, devices, queued, seconds } = options
    console.log(`there and back: ${wordsOf(await roundTrips(hub, agent, calls))}`)
    const ids = Array.from({ length: devices }, (_, at) => `bench-${at}`)
    for (const id of ids) await post(hub, agent, '/v1/devices', { id })
    console.log(`nothing queued: acknowledgement of a reading ${wordsOf(await readings(hub, seconds))}`)
    const beganAtMs = performance.now()
    const perBulk = Math.min(devices, queued, bulkMax)
    let waiting = 0
    for (; waiting + perBulk <= queued; waiting += perBulk)
      await post(hub, agent, '/v1/commands', { devices: ids.slice(0, perBulk), name: 'update', concurrency: queued })
    const rate = Math.round((waiting / (performance.now() - beganAtMs)) * 1000)
    console.log(`${waiting} put on record, ${rate} a second`)
    await settled(hub.pid)
    console.log(`${waiting} queued: acknowledgement of a reading ${wordsOf(await readings(hub, seconds))}`)
    console.log(await drain(hub, ids, waiting))
  } finally {
    agent.destroy()
    await hub.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function wordsOf(histogram: Histogram): string {
  const [half, most] = [histogram.percentileMs(0.5), histogram.percentileMs(0.99)].map((ms) => ms.toFixed(2))
  return `p50 ${half}, p99 ${most}, longest ${histogram.maxMs.toFixed(1)} ms (${histogram.count})`
}

async function open({ mqtt }: HubProcess, id: string, onMessage: (message: Publish) => void = () => {}): Promise<MqttClient> {
  const wire = await openTcp('127.0.0.1', mqtt, AbortSignal.timeout(20_000))
  return connectMqtt(wire, new MqttSession(id, '3.1.1'), { onMessage })
}

async function roundTrips(hub: HubProcess, agent: Agent, calls: number): Promise<Histogram> {
  await post(hub, agent, '/v1/devices', { id: 'echo' })
  const device = await open(hub, 'echo', ({ topic }) => {
    device.publish(topic.replace('/commands/', '/replies/'), '{"status":"done"}').catch(() => {}) // the last one is cut off by the end
  })
  await device.subscribe({ filter: 'devices/echo/commands/+', qos: 1 })
  const took = new Histogram()
  for (let call = -Math.min(200, calls); call < calls; call++) {
    const beganAtMs = performance.now()
    const { state } = await post<{ state: string }>(hub, agent, '/v1/devices/echo/commands?wait=10', { name: 'ping' })
    if (state !== 'done') throw new Error(`a command ended as ${state}`)
    if (call >= 0) took.record((performance.now() - beganAtMs) * 1000) // the first ones warm it up
  }
  device.pullCable()
  return took
}

async function readings(hub: HubProcess, seconds: number): Promise<Histogram> {
  const publisher = await open(hub, 'publisher')
  const took = new Histogram()
  const until = performance.now() + seconds * 1000
  for (let dueMs = performance.now(); dueMs < until; dueMs += publishEveryMs) {
    await sleep(Math.max(0, dueMs - performance.now()))
    const sentAtMs = performance.now()
    await publisher.publish('devices/publisher/telemetry', '{"speed":21.4}')
    took.record((performance.now() - sentAtMs) * 1000)
    dueMs = Math.max(dueMs, performance.now() - publishEveryMs)
  }
  publisher.pullCable()
  return took
}

async function drain(hub: HubProcess, ids: readonly string[], queued: number): Promise<string> {
  await settled(hub.pid)
  const [cpu, beganAtMs] = [readCpu(hub.pid).seconds, performance.now()]
  let came = 0
  let told = () => {}
  const all = new Promise<void>((resolve) => {
    told = resolve
  })
  const clients: MqttClient[] = []
  let next = 0
  const some = async () => {
    for (let at = next++; at < ids.length; at = next++) {
      const client = await open(hub, ids[at]!, () => {
        came++
        if (came === queued) told()
      })
      clients.push(client)
      await client.subscribe({ filter: `devices/${ids[at]}/commands/+`, qos: 1 })
    }
  }
  await Promise.all([all, ...Array.from({ length: connectingAtATime }, some)])
  const seconds = (performance.now() - beganAtMs) / 1000
  await settled(hub.pid)
  const each = ((readCpu(hub.pid).seconds - cpu) / queued) * 1e6
  for (const client of clients) client.pullCable()
  return `${queued} drained by ${ids.length} devices in ${seconds.toFixed(2)} s, ${Math.round(queued / seconds)} a second; CPU of the hub ${each.toFixed(0)} µs each`
}

function post<Answer>({ http: port }: HubProcess, agent: Agent, path: string, body: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path, method: 'POST', agent }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => {
        const isFine = (response.statusCode ?? 500) < 300
        if (isFine) resolve(JSON.parse(text) as Answer)
        else reject(new Error(`${path}: ${text}`))
      })
    })
    asking.on('error', reject)
    asking.end(JSON.stringify(body))
  })
}

function readCommandOptions(argv: readonly string[]): CommandOptions {
  const flags = { calls: '--calls', devices: '--devices', queued: '--queued', seconds: '--seconds' }
  return readCounts(argv, flags, { calls: 2000, devices: 1000, queued: 100_000, seconds: 5 })
}

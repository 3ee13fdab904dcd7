// kill -9 in the middle of a load: whatever was acknowledged is in the database after the next start, once.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import test, { type TestContext } from 'node:test'
import mqttPacket from 'mqtt-packet'
import { type HubProcess, newFolder, spawnHub } from './kit/hub.ts'

const publishers = 20
const window = 16

interface Load {
  /** Numbers of the readings that were acknowledged, by device. */
  readonly acknowledged: Map<string, number[]>
  readonly sent: () => number
  /** Resolves when so many were acknowledged in all. */
  reached(count: number): Promise<void>
  /** Resolves when every socket is gone. */
  readonly ended: Promise<unknown>
}

/** Publishes readings at QoS 1 as fast as they are acknowledged, until the hub is gone. Reading `n` of a device has `ts` = base + n. */
async function load(hub: HubProcess, round: number): Promise<Load> {
  const acknowledged = new Map<string, number[]>()
  let sent = 0
  let total = 0
  let waiting: { readonly count: number; readonly resolve: () => void } | undefined
  const sockets = await Promise.all(
    Array.from({ length: publishers }, async (_, index) => {
      const device = `kill-${round}-${index}`
      const mine: number[] = []
      acknowledged.set(device, mine)
      const socket = connect(hub.mqttPort, '127.0.0.1')
      socket.on('error', () => {})
      await once(socket, 'connect')
      const numbers = new Map<number, number>()
      let next = 0
      const publish = () => {
        const messageId = (next % 60_000) + 1
        numbers.set(messageId, next)
        const payload = JSON.stringify({ ts: 1_000_000 + next, values: { n: next } })
        socket.write(
          mqttPacket.generate({
            cmd: 'publish',
            topic: `devices/${device}/telemetry`,
            payload,
            qos: 1,
            messageId,
            dup: false,
            retain: false,
          }),
        )
        next++
        sent++
      }
      const parser = mqttPacket.parser()
      parser.on('packet', (packet) => {
        if (packet.cmd === 'connack') for (let at = 0; at < window; at++) publish()
        if (packet.cmd !== 'puback') return
        mine.push(numbers.get(packet.messageId as number) as number)
        total++
        if (waiting !== undefined && total >= waiting.count) waiting.resolve()
        publish()
      })
      socket.on('data', (chunk) => parser.parse(chunk))
      socket.write(
        mqttPacket.generate({ cmd: 'connect', clientId: device, clean: true, keepalive: 0, protocolId: 'MQTT', protocolVersion: 4 }),
      )
      return socket
    }),
  )
  return {
    acknowledged,
    sent: () => sent,
    reached: (count) => new Promise((resolve) => (waiting = { count, resolve })),
    ended: Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)))),
  }
}

async function storedNumbers(hub: HubProcess, device: string): Promise<{ values: number[]; count: number }> {
  const path = `/v1/devices/${device}/telemetry?metric=n&from=0&to=9000000&points=10000`
  const { series } = (await hub.get(path)) as { series: { values: number[]; count: number; thinned: boolean }[] }
  const one = series[0]
  if (one === undefined) return { values: [], count: 0 }
  assert.equal(one.thinned, false, 'the test must see every point')
  return one
}

async function assertAllStored(hub: HubProcess, { acknowledged, sent }: Load): Promise<number> {
  let checked = 0
  let stored = 0
  for (const [device, numbers] of acknowledged) {
    if (numbers.length === 0) continue
    const { values, count } = await storedNumbers(hub, device)
    const onDisk = new Set(values)
    const lost = numbers.filter((n) => !onDisk.has(n))
    assert.deepEqual(lost, [], `${device}: acknowledged and lost`)
    assert.equal(onDisk.size, count, `${device}: no reading twice`)
    checked += numbers.length
    stored += count
  }
  assert.ok(stored <= sent(), 'nothing appears that was never sent')
  return checked
}

async function killRound(t: TestContext, hub: HubProcess, folder: string, round: number): Promise<HubProcess> {
  const running = await load(hub, round)
  // A random point of the load, counted in acknowledgements: no clock decides when the power goes.
  const killAt = 1 + Math.floor(Math.random() * 6000)
  await running.reached(killAt)
  await hub.kill()
  await running.ended
  const again = await spawnHub(t, folder)
  const checked = await assertAllStored(again, running)
  t.diagnostic(`round ${round}: killed after ${killAt} acknowledgements, ${checked} acknowledged, all there`)
  return again
}

const rounds = Number(process.env['MOORING_KILL_ROUNDS'] ?? 6)
const timeout = 60_000 + rounds * 20_000

test('kill -9 at random moments of a load loses no acknowledged reading and stores none twice', { timeout }, async (t) => {
  const folder = newFolder(t)
  let hub = await spawnHub(t, folder)
  for (let round = 0; round < rounds; round++) hub = await killRound(t, hub, folder, round)
  await hub.stop()
})

test('a level of durability below fsync still survives kill -9 of the process', async (t) => {
  const folder = newFolder(t)
  const hub = await spawnHub(t, folder, '--durability', 'batched')
  const again = await killRound(t, hub, folder, 0)
  await again.stop()
})

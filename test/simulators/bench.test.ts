import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Measured } from '../../simulators/bench/measurement.ts'
import { Ring } from '../../simulators/bench/ring.ts'
import { startServer } from '../../simulators/bench/servers.ts'
import { median } from '../../simulators/bench/table.ts'
import { PacketReader } from '../../simulators/clients/decode.ts'
import { runLoad } from './load.ts'
import { startStub } from './stub.ts'

test('the packets of the load generator are valid, 125 bytes of JSON each, and differ', () => {
  const ring = new Ring('devices/bench-3/telemetry', 1, 4)
  for (let slot = 0; slot < 4; slot++) ring.write(slot * ring.stride, slot, slot + 1)
  ring.writeSeq(ring.stride, 271_828)
  const packets = new PacketReader('3.1.1').push(ring.bytes).filter(({ is }) => is === 'publish')
  assert.deepEqual(
    packets.map((packet) => packet.is === 'publish' && packet.packetId),
    [1, 2, 3, 4],
  )
  const payloads = packets.map((packet) => (packet.is === 'publish' ? Buffer.from(packet.payload).toString() : ''))
  for (const payload of payloads) {
    assert.equal(payload.length, 125)
    assert.ok(Object.values(JSON.parse(payload) as object).every((value) => typeof value === 'number'))
  }
  assert.equal(new Set(payloads).size, 4)
  assert.equal(ring.readSeq(ring.bytes, ring.stride), 271_828)
})

for (const load of [
  { mode: 'ingest', connections: 20, qos: 1, window: 16, warmUpSeconds: 0.1, seconds: 0.2 },
  { mode: 'ingest', connections: 20, qos: 0, window: 16, warmUpSeconds: 0.1, seconds: 0.2 },
  { mode: 'ingest', connections: 20, qos: 1, window: 8, rate: 1000, warmUpSeconds: 0.1, seconds: 0.2 },
  { mode: 'fan-out', subscribers: 20, window: 4, warmUpSeconds: 0.1, seconds: 0.2 },
] as const) {
  test(`a run against the floor is clean: ${JSON.stringify(load)}`, async (t) => {
    const floor = await startServer('floor', 'mqtt')
    t.after(() => floor.stop())
    const { code, outcome } = await runLoad<Measured>(t, { ...load, port: floor.port, pid: floor.pid, transport: 'tcp' })
    assert.equal(code, 0, JSON.stringify(outcome))
    assert.equal(outcome.clean, true)
    assert.ok(outcome.messages > 100, `${outcome.messages} messages`)
  })
}

test('a run with a fixed count sends exactly that many', async (t) => {
  const floor = await startServer('floor', 'mqtt')
  t.after(() => floor.stop())
  const load = { mode: 'ingest', connections: 5, qos: 1, window: 4, warmUpSeconds: 0, seconds: 5, count: 777 } as const
  const { outcome } = await runLoad<Measured>(t, { ...load, port: floor.port, pid: floor.pid, transport: 'tcp' })
  assert.equal(outcome.messages, 777)
})

test('a server that answers in the wrong order makes a run that is not clean', async (t) => {
  const stub = await startStub(t)
  const load = { mode: 'ingest', connections: 1, qos: 1, window: 2, warmUpSeconds: 0, seconds: 1, count: 2 } as const
  const running = runLoad<Measured>(t, { ...load, port: Number(stub.url.port), pid: process.pid, transport: 'tcp' })
  const server = await stub.connection()
  await server.packet()
  server.say('20 02 00 00')
  await new Promise((resolve) => server.socket.once('data', resolve))
  server.say('40 02 00 02 40 02 00 01')
  const { code, outcome } = await running
  assert.equal(code, 2)
  assert.equal(outcome.clean, false)
  assert.equal(outcome.outOfOrder, 2)
})

test('one disturbed round does not move a median', () => assert.equal(median([3, 900, 2]), 3))

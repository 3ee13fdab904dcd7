// Two senders of mutated packets against a whole hub, in every state of a connection: none of it may hurt a third client, raise a bug, or stay
// in memory. Seeded: MOORING_FUZZ_SEED repeats a run, MOORING_FUZZ_SECONDS makes it longer. Streams that once hurt stand in corpus/.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import mqttPacket, { type Packet } from 'mqtt-packet'
import { limits } from '../../hub/limits.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'
import { type Random, randomFrom } from '../kit/random.ts'

const seconds = Number(process.env['MOORING_FUZZ_SECONDS'] ?? 8)
const seed = Number(process.env['MOORING_FUZZ_SEED'] ?? Date.now() % 1_000_000)
const corpus = join(import.meta.dirname, 'corpus')

const pick = <T>(random: Random, ...choices: readonly T[]): T => choices[random(choices.length)] as T

/** A packet a client could send, more or less at its place. */
function packetOf(random: Random, version: 3 | 4 | 5): Packet {
  const messageId = pick(random, 1, 1, 2, 3, 65_535)
  const qos = pick(random, 0, 1, 2) as 0 | 1 | 2
  const topic = pick(random, 'a', 'a/b', 'devices/x/telemetry', 'devices/x/telemetry/n', '$SYS/x', '/', 'ä', 'x'.repeat(200))
  const filter = pick(random, 'a', '#', '+/b', 'a/#', '$share/g/a', '$share/g/#', '$SYS/#', '/', 'devices/+/telemetry')
  const payload = Buffer.from(pick(random, '', '{"n":1}', '{"n":', '[1]', 'x'.repeat(3000), '\u0000'))
  const five = version === 5
  switch (random(9)) {
    case 0: {
      const properties = five
        ? { properties: { topicAlias: pick(random, 1, 2, 40), userProperties: { a: ['1', '2'] }, messageExpiryInterval: 3 } }
        : {}
      return {
        cmd: 'publish',
        topic,
        payload,
        qos,
        retain: random(4) === 0,
        dup: false,
        messageId,
        ...(random(3) === 0 ? properties : {}),
      } as Packet
    }
    case 1:
      return {
        cmd: 'subscribe',
        messageId,
        subscriptions: [{ topic: filter, qos, nl: false, rap: random(2) === 0, rh: random(3) }],
      } as Packet
    case 2:
      return { cmd: 'unsubscribe', messageId, unsubscriptions: [filter] } as Packet
    case 3:
      return { cmd: pick(random, 'puback', 'pubrec', 'pubcomp'), messageId } as Packet
    case 4:
      return { cmd: 'pubrel', messageId } as Packet
    case 5:
      return { cmd: 'pingreq' }
    case 6:
      return { cmd: 'disconnect', ...(five ? { reasonCode: pick(random, 0, 4) } : {}) } as Packet
    default:
      return { cmd: 'publish', topic, payload, qos, retain: false, dup: false, messageId } as Packet
  }
}

function connectOf(random: Random, version: 3 | 4 | 5): Packet {
  const will = {
    topic: pick(random, 'a', 'w', 'devices/x/telemetry'),
    payload: Buffer.from('gone'),
    qos: pick(random, 0, 1, 2),
    retain: random(2) === 0,
  }
  return {
    cmd: 'connect',
    protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
    protocolVersion: version,
    clientId: pick(random, 'fuzz-1', 'fuzz-1', 'fuzz-2', 'x'), // both senders meet in one session now and then
    clean: random(2) === 0,
    keepalive: pick(random, 0, 1, 60),
    ...(random(2) === 0 ? { will } : {}),
    ...(version === 5 ? { properties: { sessionExpiryInterval: pick(random, 0, 5), receiveMaximum: pick(random, 1, 20) } } : {}),
  } as Packet
}

/** One sender's whole talk: mostly right, so that it gets somewhere, with bytes changed, dropped or added here and there. */
function talkOf(random: Random): Buffer[] {
  const version = pick(random, 3, 4, 4, 5, 5, 5) as 3 | 4 | 5
  const encode = (packet: Packet) => mqttPacket.generate(packet, { protocolVersion: version })
  const packets = [encode(connectOf(random, version))]
  for (let count = random(12); count > 0; count--) packets.push(encode(packetOf(random, version)))
  const bytes = Buffer.concat(packets)
  const mutated = random(3) === 0 ? bytes : mutate(random, bytes, random(10) === 0 ? 0 : packets[0]!.length)
  const chunks: Buffer[] = []
  for (let at = 0; at < mutated.length; ) {
    const length = 1 + random(pick(random, 3, 60, mutated.length))
    chunks.push(mutated.subarray(at, at + length))
    at += length
  }
  return chunks
}

/** Changes what comes after `from`: the CONNECT is spared nine times out of ten, or nothing would come after it. */
function mutate(random: Random, bytes: Buffer, from: number): Buffer {
  let changed = Buffer.from(bytes)
  for (let count = 1 + random(3); count > 0 && changed.length > from; count--) {
    const at = from + random(changed.length - from)
    const kind = random(4)
    if (kind === 0) changed[at] = random(256)
    else if (kind === 1) changed[at] = (changed[at] as number) ^ (1 << random(8))
    else if (kind === 2) changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + 1 + random(4))])
    else
      changed = Buffer.concat([
        changed.subarray(0, at),
        Buffer.from(Array.from({ length: 1 + random(4) }, () => random(256))),
        changed.subarray(at),
      ])
  }
  return changed
}

/** Says it all, then pulls the cable or waits for the hub to close. */
async function talk(hub: TestHub, chunks: readonly Buffer[], thenWait: boolean): Promise<void> {
  const socket: Socket = connect(hub.mqttPort, '127.0.0.1')
  socket.on('error', () => {}) // the hub may close while we speak: that is the rule here
  socket.resume()
  await once(socket, 'connect')
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  for (const chunk of chunks) {
    if (socket.destroyed) break
    socket.write(chunk)
    if (chunk.length % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  if (thenWait) socket.end()
  else socket.destroy()
  await closed
}

test('no stream of bytes hurts another client, raises a bug or stays in memory', { timeout: seconds * 1000 + 60_000 }, async (t) => {
  const hub = await startHub(t)
  const witness = await moor(t, hub, 'witness', 5)
  await witness.subscribe('witness', { qos: 1 })
  const stillWell = async (number: number, what: string) => {
    await witness.publish('witness', `${number}`, { qos: 1 })
    assert.equal((await witness.next('publish')).payload.toString(), `${number}`, what)
  }

  for (const name of readdirSync(corpus)) {
    await talk(hub, [Buffer.from(readFileSync(join(corpus, name), 'latin1').replace(/#.*$|\s/gm, ''), 'hex')], true)
    await stillWell(0, name)
  }

  const random = randomFrom(seed)
  const endsAt = performance.now() + seconds * 1000
  let talks = 0
  while (performance.now() < endsAt) {
    const first = talkOf(random)
    const second = talkOf(random)
    await Promise.all([talk(hub, first, random(2) === 0), talk(hub, second, random(2) === 0)])
    talks += 2
    if (talks % 50 === 0) await stillWell(talks, `seed ${seed}, after ${talks} streams`)
  }
  t.diagnostic(`seed ${seed}: ${talks} streams`)
  await stillWell(talks, `seed ${seed}, at the end`)

  const { figures, refusals } = (await hub.get('/v1/hub')) as {
    figures: { connections: number; sessions: number; subscriptions: number }
    refusals: { code: string; count: number }[]
  }
  const count = (code: string) => refusals.find((row) => row.code === code)?.count ?? 0
  assert.equal(count('internal-error'), 0, `seed ${seed}: a bug ended a connection`)
  assert.ok(count('malformed-packet') + count('protocol-error') > talks / 20, 'the mutations do reach the codec')
  assert.equal(figures.connections, 1, 'only the witness is left')
  // Sessions are remembered under the few client identifiers that were used, and under what mutations made of them.
  assert.ok(figures.sessions <= 10 + talks / 20, `${figures.sessions} sessions`)
  assert.ok(figures.subscriptions <= figures.sessions * limits.subscriptionsPerSession)
})

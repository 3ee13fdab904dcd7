// Peers that stop reading or vanish: they cost the others nothing, and the hub no more than its bounds.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { limits, MiB } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { hubOfFile, moor, mourner, type TestClient } from '../kit/mqtt.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes in buffers that are still in use, in this process: the hub's and the clients'. */
function heldBytes(): number {
  collectGarbage()
  collectGarbage() // the first one leaves the freeing of buffers to the background
  return process.memoryUsage().arrayBuffers
}

/** The number of a message, which stands at the beginning of its payload. */
const numbered = (at: number, bytes: number) => Buffer.alloc(bytes, ' ').fill(`${at} `, 0, 8)
const numberOf = ({ payload }: { payload: string | Buffer }) => Number.parseInt(payload.toString('latin1', 0, 8), 10)

/** Publishes in small lots, each heard by the healthy subscriber before the next is sent. */
async function flood(publisher: TestClient, healthy: TestClient, topic: string, count: number, bytes: number, qos: 0 | 1) {
  const lot = 10
  for (let sent = 0; sent < count; sent += lot) {
    for (let at = sent; at < sent + lot; at++) publisher.publish(topic, numbered(at, bytes), { qos })
    const heard = await healthy.messages(lot)
    assert.deepEqual(
      heard.map(numberOf),
      Array.from({ length: lot }, (_, at) => sent + at),
    )
  }
}

/** Reads until the message with this number has come. */
async function readUntil(client: TestClient, last: number): Promise<number[]> {
  const numbers: number[] = []
  while (numbers.at(-1) !== last) numbers.push(numberOf(await client.next('publish')))
  return numbers
}

async function figures(): Promise<{ connections: number; owedBytes: number }> {
  const { figures, limits } = (await hub.get('/v1/hub')) as {
    figures: { connections: number }
    limits: { name: string; used: number | null }[]
  }
  return { connections: figures.connections, owedBytes: limits.find(({ name }) => name === 'outboxBytesAll')?.used ?? 0 }
}

/** Turns of the whole hub, its HTTP included, until `done`. */
async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 2000; turn++) {
    if (await done()) return
    await hub.get('/healthz')
  }
  assert.fail('it did not come to pass')
}

for (const version of [4, 5] as const) {
  const of = `(MQTT level ${version})`

  test(`a subscriber that stops reading QoS 0 misses the middle; the others miss nothing ${of}`, async (t) => {
    const topic = `06/frozen/0/${version}`
    const frozen = await moor(t, hub, `frozen-${version}`, version)
    const healthy = await moor(t, hub, `healthy-${version}`, version)
    const publisher = await moor(t, hub, `flood-${version}`, version)
    await frozen.subscribe(topic)
    await healthy.subscribe(topic)
    frozen.socket.pause()
    const before = heldBytes()
    await flood(publisher, healthy, topic, 200, 100_000, 0)

    const { owedBytes } = await figures()
    assert.ok(owedBytes > limits.outboxBytes / 2 && owedBytes <= limits.outboxBytes, `${owedBytes} bytes are owed`)
    const grown = heldBytes() - before
    assert.ok(grown < 10 * MiB, `${grown} bytes more are held`) // of 20 MB that were sent
    frozen.socket.resume()
    const numbers = await readUntil(frozen, 199)
    assert.ok(numbers.length < 200, `${numbers.length} came`)
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
      'in order',
    )
    // At the bound the oldest gives way, so the newest are all there.
    const newest = Math.floor(limits.outboxBytes / 100_200)
    assert.deepEqual(
      numbers.slice(-newest),
      Array.from({ length: newest }, (_, at) => 200 - newest + at),
    )
    await publisher.publish(topic, numbered(200, 10))
    assert.deepEqual(await readUntil(frozen, 200), [200], 'it is a subscriber like any other again')
    assert.equal((await figures()).owedBytes, 0)
  })

  test(`a subscriber that stops reading QoS 1 gets all from the beginning up to the bound ${of}`, async (t) => {
    const topic = `06/frozen/1/${version}`
    const frozen = await moor(t, hub, `frozen-1-${version}`, version)
    const healthy = await moor(t, hub, `healthy-1-${version}`, version)
    const publisher = await moor(t, hub, `flood-1-${version}`, version)
    await frozen.subscribe(topic, { qos: 1 })
    await healthy.subscribe(topic, { qos: 1 })
    frozen.socket.pause()
    await flood(publisher, healthy, topic, 160, 60_000, 1)
    frozen.socket.resume()
    const atLeast = Math.floor(limits.outboxBytes / 60_200)
    const numbers = (await frozen.messages(atLeast)).map(numberOf)
    await until(async () => (await figures()).owedBytes === 0)
    numbers.push(...(await frozen.leftovers()).map(numberOf))
    assert.ok(numbers.length < 160, `${numbers.length} came`)
    assert.deepEqual(
      numbers,
      Array.from({ length: numbers.length }, (_, at) => at),
      'without a gap',
    )
  })

  test(`a client that reads no answers is not read either, and goes on where it stopped ${of}`, async (t) => {
    const client = await moor(t, hub, `deaf-${version}`, version)
    client.socket.pause()
    // PUBLISH at QoS 1 to the topic t, nothing else in it, 64 of them to a lot: one window of MQTT 5.
    const one = (id: number) => `32 ${version === 5 ? '06' : '05'} 0001 74 ${id.toString(16).padStart(4, '0')} ${version === 5 ? '00' : ''}`
    const release = (id: number) => `62 02 ${id.toString(16).padStart(4, '0')}`
    const releases = Array.from({ length: 10_000 }, (_, at) => release(at + 1)).join('')
    const lot = Buffer.from(`${one(7)}${releases}`.replaceAll(' ', ''), 'hex')
    const before = heldBytes()
    let lots = 0
    let stalled = 0
    while (stalled < 40) {
      if (client.socket.writableLength === 0) {
        stalled = 0
        lots++
        client.socket.write(lot)
      }
      stalled++
      await hub.get('/healthz')
      assert.ok(lots < 2000, 'the hub went on reading')
    }
    const grown = heldBytes() - before
    assert.ok(grown < 24 * MiB, `${grown} bytes more are held`) // the journal's spare buffers come and go among them

    const answers = { puback: 0, pubcomp: 0 }
    const all = new Promise<void>((resolve) => {
      let bytes = 0
      const expected = lots * (4 + 10_000 * (version === 5 ? 5 : 4))
      client.socket.removeAllListeners('data') // counted, not parsed: there are too many
      client.socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        for (let at = 0; at < chunk.length; at++) if (chunk[at] === 0x40) answers.puback++
        if (bytes === expected) resolve()
        assert.ok(bytes <= expected, 'more answers than questions')
      })
    })
    client.socket.resume()
    await all
    assert.ok(answers.puback >= lots)
  })
}

test('a client that vanished without a word is dropped by its keep-alive, even with a full socket', async (t) => {
  const { will, gone } = await mourner(t, hub, 'half-open')
  const client = await moor(t, hub, 'half-open', 5, { will, keepalive: 10 })
  const healthy = await moor(t, hub, 'healthy', 5)
  const publisher = await moor(t, hub, 'flood', 5)
  await client.subscribe('06/half-open')
  await healthy.subscribe('06/half-open')
  client.socket.pause()
  await flood(publisher, healthy, '06/half-open', 200, 100_000, 0)
  const { connections } = await figures()
  clock.advance(17)
  await gone() // the session has left; the socket may still take the goodbye
  assert.equal((await figures()).owedBytes, 0, 'nothing is owed any more')
  clock.advance(7) // … for as long as a farewell lasts
  await until(async () => (await figures()).connections === connections - 1)
  client.socket.resume()
  await once(client.socket, 'close')
})

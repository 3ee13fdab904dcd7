// MQTT over WebSocket: chapter 6 of MQTT 3.1.1 and 5. The client that is looked at has a WebSocket in every test, the one beside it either wire.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import mqttPacket, { type Packet } from 'mqtt-packet'
import { WebSocket } from 'ws'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile } from '../../kit/mqtt.ts'
import { type Bench, statementsOf } from '../../kit/statements.ts'

const clock = new HandClock()
const statement = statementsOf(await hubOfFile(clock), clock)

interface Frame {
  readonly bytes: Buffer
  readonly isBinary: boolean
}

/** A WebSocket whose frames can be looked at and cut at will. */
class Frames {
  readonly socket: WebSocket
  readonly heard: Frame[] = []
  readonly closed: Promise<number>
  readonly #version: 4 | 5

  constructor(socket: WebSocket, version: 4 | 5) {
    this.socket = socket
    this.#version = version
    socket.on('message', (bytes: Buffer, isBinary: boolean) => this.heard.push({ bytes, isBinary }))
    socket.on('error', () => {}) // told by the closing
    this.closed = new Promise((resolve) => socket.on('close', resolve))
  }

  bytesOf(...packets: object[]): Buffer {
    return Buffer.concat(packets.map((packet) => mqttPacket.generate(packet as Packet, { protocolVersion: this.#version })))
  }

  connect(clientId: string, more: object = {}): Buffer {
    const version = { protocolId: 'MQTT', protocolVersion: this.#version }
    return this.bytesOf({ cmd: 'connect', clientId, clean: true, keepalive: 0, ...version, ...more })
  }

  /** Comes back once so many packets have come, however they were framed. */
  async packets(count: number): Promise<Packet[]> {
    const packets: Packet[] = []
    const parser = mqttPacket.parser({ protocolVersion: this.#version })
    parser.on('packet', (packet) => packets.push(packet))
    for (let at = 0; packets.length < count; ) {
      while (at < this.heard.length) parser.parse(this.heard[at++]!.bytes)
      if (packets.length < count) await once(this.socket, 'message')
    }
    return packets
  }
}

async function open({ t, hub, version }: Bench, protocols: string | string[] = 'mqtt'): Promise<Frames> {
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/mqtt`, protocols)
  t.after(() => socket.terminate())
  const frames = new Frames(socket, version)
  await once(socket, 'open')
  return frames
}

const kinds = (packets: readonly Packet[]) => packets.map(({ cmd }) => cmd)

statement(['3.1.1 [MQTT-6.0.0-1]', '5.0 [MQTT-6.0.0-1]'], 'the hub sends every packet in binary frames', async (bench) => {
  const { moor, name, version } = bench
  const publisher = await moor(name('publisher'))
  const client = await open(bench)
  const topic = name('t')
  client.socket.send(client.connect(name('binary')))
  client.socket.send(client.bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 2 }] }, { cmd: 'pingreq' }))
  await client.packets(3)
  for (const qos of [0, 1, 2] as const) await publisher.publish(topic, 'text', { qos })
  await client.packets(6)
  client.socket.send(Buffer.of(0, 0)) // malformed, so that MQTT 5 says DISCONNECT
  await client.closed
  const packets = await client.packets(version === 5 ? 7 : 6)
  assert.deepEqual(kinds(packets).slice(0, 6), ['connack', 'suback', 'pingresp', 'publish', 'publish', 'publish'])
  assert.ok(client.heard.every(({ isBinary }) => isBinary))
})

statement(
  ['3.1.1 [MQTT-6.0.0-1]', '5.0 [MQTT-6.0.0-1]'],
  'a frame of text closes the connection, before and after CONNECT, and what it holds is not handled',
  async (bench) => {
    const { moor, name } = bench
    const early = await open(bench)
    early.socket.send('hello')
    assert.equal(await early.closed, 1003)
    assert.deepEqual(
      early.heard.filter(({ bytes }) => bytes[0] === 0x20),
      [],
      'it was not let in',
    )

    const topic = name('t')
    const watcher = await moor(name('watcher'))
    await watcher.subscribe(topic)
    const client = await open(bench)
    client.socket.send(client.connect(name('text'), { will: { topic, payload: Buffer.from('died'), qos: 0, retain: false } }))
    await client.packets(1)
    const publish = client.bytesOf({ cmd: 'publish', topic, payload: 'from a frame of text', qos: 0, retain: false, dup: false })
    client.socket.send(publish, { binary: false }) // a PUBLISH of ASCII is valid text
    client.socket.send(publish, { binary: true })
    await client.closed
    assert.deepEqual(await watcher.texts(1), ['died'], 'the connection ended for a fault')
    assert.deepEqual(await watcher.leftovers(), [])
    assert.ok(kinds(await client.packets(1)).every((kind) => kind === 'connack' || kind === 'disconnect'))
  },
)

statement(
  ['3.1.1 [MQTT-6.0.0-2]', '5.0 [MQTT-6.0.0-2]'],
  'frames may hold several packets or parts of them: the hub reads the stream and not the frames',
  async (bench) => {
    const { moor, name } = bench
    const topic = name('t')
    const watcher = await moor(name('watcher'))
    await watcher.subscribe(topic, { qos: 1 })
    const texts = ['one', 'two'.padEnd(300, '.'), 'three']
    const cuts: Record<string, (client: Frames, bytes: Buffer) => void> = {
      'all in one frame': ({ socket }, bytes) => socket.send(bytes),
      'a byte in each': ({ socket }, bytes) => {
        for (const byte of bytes) socket.send(Buffer.of(byte))
      },
      'frames of seven': ({ socket }, bytes) => {
        for (let at = 0; at < bytes.length; at += 7) socket.send(bytes.subarray(at, at + 7))
      },
      'empty frames between': ({ socket }, bytes) => {
        for (let at = 0; at < bytes.length; at += 100) {
          socket.send(Buffer.of())
          socket.send(bytes.subarray(at, at + 100))
        }
      },
      'fragments of one message': ({ socket }, bytes) => {
        for (let at = 0; at < bytes.length; at += 50) socket.send(bytes.subarray(at, at + 50), { fin: at + 50 >= bytes.length })
      },
    }
    for (const [how, send] of Object.entries(cuts)) {
      const client = await open(bench)
      const publish = (payload: string, at: number) => ({
        cmd: 'publish',
        topic,
        payload,
        qos: 1,
        messageId: at + 1,
        retain: false,
        dup: false,
      })
      const rest = client.bytesOf(...texts.map(publish), { cmd: 'pingreq' }, { cmd: 'disconnect' })
      send(client, Buffer.concat([client.connect(name('cut')), rest]))
      await client.closed
      const answers = kinds(await client.packets(1))
      assert.equal(answers[0], 'connack', how)
      assert.deepEqual(await watcher.texts(3), texts, how)
    }
    assert.deepEqual(await watcher.leftovers(), [])
  },
)

statement(
  ['3.1.1 [MQTT-6.0.0-3]', '5.0 [MQTT-6.0.0-3]'],
  'a WebSocket whose client does not offer mqtt is not opened',
  async ({ t, hub }) => {
    for (const protocols of [[], ['amqp'], ['MQTT'], ['mqtt5', 'xmqtt']]) {
      const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/mqtt`, protocols)
      t.after(() => socket.terminate())
      socket.on('error', () => {}) // ws calls it one when nobody takes the answer below
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
      assert.equal(response.statusCode, 400, protocols.join())
      response.resume()
    }
  },
)

statement(
  ['3.1.1 [MQTT-6.0.0-4]', '5.0 [MQTT-6.0.0-4]'],
  'of the subprotocols that a client offers the hub selects mqtt, wherever it stands',
  async (bench) => {
    for (const offered of [
      ['mqtt'],
      ['amqp', 'mqtt'],
      ['mqtt', 'amqp'],
      ['mqttv3.1', 'mqtt'],
      ['mqtt', 'mqttv3.1'],
      ['mooring.live', 'mqtt'],
    ]) {
      const client = await open(bench, offered)
      assert.equal(client.socket.protocol, 'mqtt', offered.join())
      client.socket.send(client.connect(bench.name('offered')))
      assert.deepEqual(kinds(await client.packets(1)), ['connack'])
    }
  },
)

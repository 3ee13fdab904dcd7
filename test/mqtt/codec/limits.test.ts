// What a connection may make the hub hold: one packet within its limit, and no more than what really came.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../../../hub/errors.ts'
import { limits } from '../../../hub/limits.ts'
import { PacketReader } from '../../../hub/mqtt/codec.ts'
import { HeldPacket } from '../../../hub/mqtt/frame.ts'
import { bytes, connectedReader, connects, outcome, packet, Recorder } from './kit.ts'

/** The remaining length that makes a packet of this size, for sizes with four bytes of length and below. */
function declaring(packetBytes: number): Buffer {
  for (const digits of [1, 2, 3, 4]) {
    const length = packetBytes - 1 - digits
    const written = Array.from({ length: digits }, (_, at) => ((length >>> (7 * at)) & 0x7f) | (at < digits - 1 ? 0x80 : 0))
    if (length < 128 ** digits && (digits === 1 || length >= 128 ** (digits - 1))) return Buffer.from(written)
  }
  throw new Error('no such packet')
}

function header(first: number, packetBytes: number): Buffer {
  return Buffer.concat([Buffer.from([first]), declaring(packetBytes)])
}

test('a declared length above the limit is refused before a byte of the body came', () => {
  assert.equal(outcome(4, header(0x30, limits.packetBytes)), 'accepted')
  assert.equal(outcome(4, header(0x30, limits.packetBytes + 1)), 'packet-too-large')
  assert.equal(outcome(4, bytes('30 ffffff7f')), 'packet-too-large')
})

test('before a CONNECT was read its own, smaller limit holds', () => {
  assert.equal(outcome(0, header(0x10, limits.connectBytes)), 'accepted')
  assert.equal(outcome(0, header(0x10, limits.connectBytes + 1)), 'packet-too-large')
  assert.throws(
    () => new PacketReader(new Recorder()).read(header(0x10, limits.connectBytes + 1)),
    /65537 bytes.*65536 \(limits\.connectBytes\)/,
  )
  assert.throws(() => connectedReader(4).reader.read(header(0x30, limits.packetBytes + 1)), /262145 bytes.*262144 \(limits\.packetBytes\)/)
})

test('a packet exactly at the limit is read, at once and in pieces', () => {
  const head = header(0x30, limits.packetBytes)
  const whole = Buffer.concat([head, bytes("0001 'a'"), Buffer.alloc(limits.packetBytes - head.length - 3)])
  for (const step of [whole.length, 65_536, 1_000, 1]) {
    const { reader, recorder } = connectedReader(4)
    for (let at = 0; at < whole.length; at += step) reader.read(whole.subarray(at, at + step))
    assert.equal(recorder.events.length, 1)
    assert.equal(reader.bufferedBytes, 0)
  }
})

test('a length of five bytes is refused at its fourth, a length of four may be awaited', () => {
  assert.equal(outcome(4, bytes('30 808080')), 'accepted')
  assert.equal(outcome(4, bytes('30 80808080')), 'malformed-packet')
})

test('memory is made for the bytes that came, not for those that were declared', () => {
  const held = new HeldPacket(limits.packetBytes)
  const chunk = Buffer.concat([header(0x30, limits.packetBytes), Buffer.alloc(96)])
  for (let came = 100; came < limits.packetBytes / 2; came += 100) {
    held.fill(4, came === 100 ? chunk : Buffer.alloc(100), 0)
    assert(held.bytes.length <= Math.max(1024, 2 * held.length), `${held.bytes.length} for ${held.length}`)
  }
})

test('held bytes are those of the incomplete packet alone, and none when all were read', () => {
  const { reader, recorder } = connectedReader(4)
  assert.equal(reader.bufferedBytes, 0)
  reader.read(bytes("c000 c000 32 10 0001 'a'"))
  assert.equal(reader.bufferedBytes, 5)
  reader.read(bytes('0001'))
  assert.equal(reader.bufferedBytes, 7)
  reader.read(Buffer.concat([Buffer.alloc(11), bytes('c0')]))
  assert.equal(reader.bufferedBytes, 1)
  reader.read(bytes('00'))
  assert.equal(reader.bufferedBytes, 0)
  assert.deepEqual(
    recorder.events.map(([name]) => name),
    ['pingreq', 'pingreq', 'publish', 'pingreq'],
  )
})

test('after stop() neither the rest of the chunk nor a later one is read', () => {
  const recorder = new Recorder()
  const reader = new PacketReader(recorder)
  recorder.onPingreq = () => {
    recorder.events.push(['pingreq'])
    reader.stop()
  }
  reader.read(Buffer.concat([connects[4], bytes('c000 c000 30')]))
  reader.read(bytes('c000'))
  assert.deepEqual(
    recorder.events.map(([name]) => name),
    ['connect', 'pingreq'],
  )
  assert.equal(reader.bufferedBytes, 0)
})

test('what the handler throws goes through as it is', () => {
  const recorder = new Recorder()
  const reader = new PacketReader(recorder)
  recorder.onConnect = () => {
    throw new TypeError('a bug of the handler')
  }
  assert.throws(() => reader.read(connects[4]), TypeError)
  const refusing = connectedReader(4)
  refusing.recorder.onSubscribe = () => {
    throw new Refusal('too-many-subscriptions', { limit: 1 })
  }
  assert.throws(
    () => refusing.reader.read(packet(0x82, "0001 0001 'a' 00")),
    (error) => error instanceof Refusal && error.code === 'too-many-subscriptions',
  )
})

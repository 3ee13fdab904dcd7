// Random and mutated bytes from a seed, some two seconds of them: nothing but a Refusal may be thrown, and no more held than a packet.
// FUZZ_SEED and FUZZ_STREAMS ask for others and for more.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../../../hub/errors.ts'
import { limits } from '../../../hub/limits.ts'
import { PacketReader, type ProtocolVersion } from '../../../hub/mqtt/codec.ts'
import { randomFrom } from '../../kit/random.ts'
import { bytes, connects, packet, Recorder } from './kit.ts'

const seeds: Record<ProtocolVersion, readonly Buffer[]> = {
  3: [connects[3], packet(0x32, "0001 'a' 0001 'x'"), packet(0x82, "0001 0001 'a' 00"), bytes('4002 0001')],
  4: [
    packet(0x10, "0004 'MQTT' 04 ee 0000 0002 'id' 0001 'w' 0003 'bye' 0004 'user' 0004 'pass'"),
    packet(0x34, "0001 'a' 0001 'x'"),
    packet(0x82, "0001 0003 'a/+' 01 0001 '#' 02"),
    packet(0xa2, "0001 0001 'a'"),
    bytes('6202 0001'),
    bytes('c000'),
    bytes('e000'),
  ],
  5: [
    packet(
      0x10,
      "0004 'MQTT' 05 ee 003c { 11 00000001 21 0014 15 0001 'm' 16 0001 00 26 0001 'k' 0001 'v' } 0001 'c'" +
        "{ 18 00000005 0101 } 0001 'w' 0001 'b' 0001 'u' 0001 'p'",
    ),
    packet(0x32, "0001 'a' 0001 { 0101 02 00000001 23 0007 08 0001 'r' 09 0001 00 03 0001 't' 26 0001 'k' 0001 'v' } 'x'"),
    packet(0x40, "0001 97 { 1f 0001 'x' 26 0001 'k' 0001 'v' }"),
    packet(0x82, "0001 { 0b 8001 26 0001 'k' 0001 'v' } 0003 'a/+' 2d 000a '$share/g/#' 18"),
    packet(0xa2, "0001 { 26 0001 'k' 0001 'v' } 0001 'a'"),
    packet(0xe0, "00 { 11 00000000 1f 0001 'x' }"),
    packet(0xf0, "18 { 15 0001 'm' 16 0001 00 }"),
  ],
}

test('no bytes make the reader throw anything but a Refusal, or hold more than one packet', (t) => {
  const seed = Number(process.env['FUZZ_SEED'] ?? 1)
  const random = randomFrom(seed)
  const streams = Number(process.env['FUZZ_STREAMS'] ?? 15_000)
  const outcomes = new Map<string, number>()
  for (let run = 0; run < streams; run++) {
    const version = ([3, 4, 5] as const)[random(3)] ?? 4
    const connected = random(4) > 0
    const stream = randomStream(version, random)
    const reader = new PacketReader(new Recorder())
    let result = 'accepted'
    try {
      if (connected) reader.read(connects[version])
      for (let at = 0; at < stream.length; ) {
        const end = at + 1 + random(stream.length)
        reader.read(stream.subarray(at, end))
        at = end
        assert(reader.bufferedBytes <= limits.packetBytes)
      }
    } catch (error) {
      if (!(error instanceof Refusal)) {
        throw new Error(`seed ${seed}, run ${run}: ${connected ? version : 0} ${stream.toString('hex')}`, { cause: error })
      }
      result = error.code
    }
    outcomes.set(result, (outcomes.get(result) ?? 0) + 1)
  }
  t.diagnostic(`seed ${seed}: ${streams} streams, ${JSON.stringify(Object.fromEntries(outcomes))}`)
  for (const expected of ['accepted', 'malformed-packet', 'protocol-error', 'packet-too-large', 'version-unsupported']) {
    assert(outcomes.has(expected), `no stream ended as ${expected}`)
  }
})

/** One to three packets, each valid, mutated a little, or noise. */
function randomStream(version: ProtocolVersion, random: (below: number) => number): Buffer {
  const parts: Buffer[] = []
  for (let count = 1 + random(3); count > 0; count--) {
    if (random(8) === 0) {
      parts.push(Buffer.from(Array.from({ length: 1 + random(40) }, () => random(256))))
      continue
    }
    const known = seeds[version]
    const chosen = Buffer.from(known[random(known.length)] ?? assert.fail())
    parts.push(mutate(chosen, random))
  }
  return Buffer.concat(parts)
}

const tellingBytes = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x23, 0x2b, 0x26, 0x0b]

function mutate(source: Buffer, random: (below: number) => number): Buffer {
  let mutated = source
  for (let times = random(4); times > 0; times--) {
    const at = random(mutated.length)
    switch (random(5)) {
      case 0:
        mutated[at] = random(256)
        break
      case 1:
        mutated[at] = tellingBytes[random(tellingBytes.length)] ?? 0
        break
      case 2:
        mutated[at] = (mutated[at] ?? 0) ^ (1 << random(8))
        break
      case 3: // a piece more, the length put right so that the body is reached
        mutated = packet(
          mutated[0] ?? 0,
          Buffer.concat([mutated.subarray(2, at), mutated.subarray(random(at + 1), at), mutated.subarray(Math.max(2, at))]),
        )
        break
      case 4: // a piece less
        mutated = packet(mutated[0] ?? 0, Buffer.concat([mutated.subarray(2, Math.max(2, at)), mutated.subarray(at + 1 + random(3))]))
        break
    }
  }
  return mutated
}

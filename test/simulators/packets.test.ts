import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PacketReader, ProtocolViolation } from '../../simulators/clients/decode.ts'
import * as encode from '../../simulators/clients/encode.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytes = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

const connect = { clientId: 'p', cleanStart: true, keepAliveSeconds: 60 }
const will = { topic: 'w', payload: 'x', qos: 1, retain: true, delaySeconds: 2 } as const
const publish = { topic: 'a/b', payload: Buffer.from('hi'), qos: 1, retain: false, duplicate: false, packetId: 10 } as const

const encoded: readonly (readonly [sentence: string, packet: Buffer, hex: string])[] = [
  ['CONNECT 3.1.1, section 3.1', encode.encodeConnect('3.1.1', connect), '100d00044d5154540402003c000170'],
  ['CONNECT 5 has a properties length', encode.encodeConnect('5', connect), '100e00044d5154540502003c00000170'],
  [
    'CONNECT 5 with session expiry, will and credentials',
    encode.encodeConnect('5', { ...connect, cleanStart: false, sessionExpirySeconds: 1, will, username: 'u', password: 's' }),
    '102500044d51545405ec003c0511000000010001700518000000020001770001780001750001 73'.replaceAll(' ', ''),
  ],
  ['PUBLISH 3.1.1 QoS 1, section 3.3', encode.encodePublish('3.1.1', publish), '32090003612f62000a6869'],
  ['PUBLISH 5 QoS 1', encode.encodePublish('5', publish), '320a0003612f62000a006869'],
  ['PUBLISH QoS 0 has no packet identifier', encode.encodePublish('3.1.1', { ...publish, qos: 0, retain: true }), '31070003612f626869'],
  ['PUBLISH again has the DUP flag', encode.encodePublish('3.1.1', { ...publish, duplicate: true }), '3a090003612f62000a6869'],
  ['SUBSCRIBE 3.1.1, section 3.8', encode.encodeSubscribe('3.1.1', 1, [{ filter: 'a/+', qos: 1 }]), '820800010003612f2b01'],
  ['SUBSCRIBE 5', encode.encodeSubscribe('5', 1, [{ filter: 'a/+', qos: 1 }]), '82090001000003612f2b01'],
  ['UNSUBSCRIBE 3.1.1, section 3.10', encode.encodeUnsubscribe('3.1.1', 2, ['a']), 'a20500020001' + '61'],
  ['PUBREL has the flags 0010', encode.encodeAnswer('pubrel', 258), '62020102'],
  ['PINGREQ', encode.pingRequest, 'c000'],
  ['DISCONNECT', encode.disconnect, 'e000'],
]

for (const [sentence, packet, expected] of encoded) test(`the client encodes: ${sentence}`, () => assert.equal(hex(packet), expected))

test('a payload of 200 bytes has a remaining length of two bytes', () => {
  assert.equal(hex(encode.encodePublish('3.1.1', { ...publish, payload: Buffer.alloc(200) }).subarray(0, 3)), '32cf01')
})

// CONNACK, PUBLISH QoS 1, PUBACK, SUBACK, PINGRESP of MQTT 3.1.1.
const stream = bytes('20 02 01 00  32 09 00 03 61 2f 62 00 0a 68 69  40 02 00 07  90 04 00 01 01 80  d0 00')

test('packets are found wherever the stream is cut', () => {
  const whole = new PacketReader('3.1.1').push(stream)
  assert.deepEqual(
    whole.map(({ is }) => is),
    ['connack', 'publish', 'puback', 'suback', 'pingresp'],
  )
  for (let cut = 0; cut <= stream.length; cut++) {
    const reader = new PacketReader('3.1.1')
    assert.deepEqual([...reader.push(stream.subarray(0, cut)), ...reader.push(stream.subarray(cut))], whole, `cut at ${cut}`)
  }
  const oneByOne = new PacketReader('3.1.1')
  assert.deepEqual(
    Array.from(stream).flatMap((byte) => oneByOne.push(Uint8Array.of(byte))),
    whole,
  )
})

test('the properties of a CONNACK of MQTT 5 are read', () => {
  // Receive Maximum 20, Assigned Client Identifier "x", Server Keep Alive 30, a user property, Maximum Packet Size 256 KiB.
  const [connack] = new PacketReader('5').push(bytes('20 1b 00 00 18 21 0014 12 0001 78 13 001e 26 0001 61 0001 62 27 00040000 25 01'))
  assert.equal(connack?.is, 'connack')
  assert.deepEqual(connack.properties, {
    receiveMaximum: 20,
    assignedClientId: 'x',
    serverKeepAliveSeconds: 30,
    packetBytesMax: 262_144,
    userProperties: [['a', 'b']],
  })
})

const violations: readonly (readonly [sentence: string, version: encode.MqttVersion, hex: string])[] = [
  ['a remaining length of five bytes', '3.1.1', '40 ff ff ff ff 01'],
  ['a packet identifier of 0', '3.1.1', '40 02 00 00'],
  ['flags on a PUBACK', '3.1.1', '41 02 00 01'],
  ['a PUBREL without its flags', '3.1.1', '60 02 00 01'],
  ['QoS 3', '3.1.1', '36 07 00 01 61 00 01 68 69'],
  ['a wildcard in a topic name', '3.1.1', '30 05 00 03 61 2f 23'],
  ['session present beside an error', '3.1.1', '20 02 01 05'],
  ['a PUBACK that is too short', '3.1.1', '40 01 00'],
  ['a PUBACK of 3.1.1 that is too long', '3.1.1', '40 03 00 01 00'],
  ['a DISCONNECT of 3.1.1', '3.1.1', 'e0 00'],
  ['a CONNECT from a server', '5', '10 00'],
  ['a property twice', '5', '20 09 00 00 06 21 0014 21 0014'],
  ['a property no server sends', '5', '20 05 00 00 02 17 01'],
  ['properties longer than their packet', '5', '20 03 00 00 05'],
]

for (const [sentence, version, packet] of violations) {
  test(`a server may not send ${sentence}`, () => assert.throws(() => new PacketReader(version).push(bytes(packet)), ProtocolViolation))
}

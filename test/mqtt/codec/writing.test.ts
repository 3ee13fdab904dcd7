// Every packet the hub sends, as pairs of fields and bytes; what is written is read again by mqtt-packet as a client would.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AckType,
  encodeAuth,
  encodeConnack,
  encodeDisconnect,
  encodePublish,
  encodeSuback,
  encodeUnsuback,
  type OutgoingPublish,
  type ProtocolVersion,
  pingresp,
  withPacketId,
  writeAck,
  writePublish,
} from '../../../hub/mqtt/codec.ts'
import { bytes, packet, transcript } from './kit.ts'
import { parsed } from './oracle.ts'

function acked(type: AckType, packetId: number, reasonCode: number, version: ProtocolVersion): Buffer {
  const into = Buffer.alloc(8, 0xee)
  return into.subarray(1, writeAck(into, 1, type, packetId, reasonCode, version))
}

const allConnack = {
  reasonCode: 0,
  sessionPresent: true,
  sessionExpirySeconds: 0xffff_ffff,
  receiveMaximum: 64,
  maximumQos: 1,
  retainAvailable: false,
  maximumPacketSize: 262_144,
  assignedClientId: 'id',
  topicAliasMaximum: 8,
  reasonString: 'so',
  userProperties: [
    ['k', '1'],
    ['k', '2'],
  ],
  wildcardAvailable: true,
  subscriptionIdentifiersAvailable: true,
  sharedAvailable: false,
  serverKeepAliveSeconds: 60,
  responseInformation: 'r',
  serverReference: 's',
  authenticationMethod: 'm',
  authenticationData: bytes('0102'),
} as const

const pairs: (readonly [says: string, version: ProtocolVersion, written: Buffer, expected: Buffer])[] = [
  ['a CONNACK of MQTT 3.1.1', 4, encodeConnack(4, { reasonCode: 0, sessionPresent: true }), bytes('2002 01 00')],
  ['a CONNACK of MQTT 3.1, which has no session flag', 3, encodeConnack(3, { reasonCode: 0, sessionPresent: true }), bytes('2002 00 00')],
  ['a CONNACK of MQTT 5 with nothing to add', 5, encodeConnack(5, { reasonCode: 0 }), bytes('2003 00 00 00')],
  ['a refusing CONNACK, which has no session', 5, encodeConnack(5, { reasonCode: 0x87, sessionPresent: true }), bytes('2003 00 87 00')],
  ['a CONNACK of MQTT 3.1.1 with properties, which are left out', 4, encodeConnack(4, allConnack), bytes('2002 01 00')],
  [
    'a CONNACK of MQTT 5 with every property',
    5,
    encodeConnack(5, allConnack),
    packet(
      0x20,
      "01 00 { 11 ffffffff 21 0040 24 01 25 00 27 00040000 12 0002 'id' 22 0008 1f 0002 'so' 26 0001 'k' 0001 '1' 26 0001 'k' 0001 '2'" +
        "28 01 29 01 2a 00 13 003c 1a 0001 'r' 1c 0001 's' 15 0001 'm' 16 0002 0102 }",
    ),
  ],
  ['a SUBACK of MQTT 3.1.1, which knows one failure', 4, encodeSuback(4, 0x0102, [0, 2, 0x87, 0x80], 'no'), bytes('9006 0102 00 02 80 80')],
  ['a SUBACK of MQTT 5', 5, encodeSuback(5, 0x0102, [1, 0x87]), bytes('9005 0102 00 01 87')],
  ['a SUBACK of MQTT 5 with a reason', 5, encodeSuback(5, 1, [0x8f], 'no'), packet(0x90, "0001 { 1f 0002 'no' } 8f")],
  ['an UNSUBACK of MQTT 3.1.1', 4, encodeUnsuback(4, 0x0102, [0x11, 0], 'no'), bytes('b002 0102')],
  ['an UNSUBACK of MQTT 5', 5, encodeUnsuback(5, 0x0102, [0x11, 0]), bytes('b005 0102 00 11 00')],
  ['an UNSUBACK of MQTT 5 with a reason', 5, encodeUnsuback(5, 1, [0x11], 'no'), packet(0xb0, "0001 { 1f 0002 'no' } 11")],
  ['a DISCONNECT', 5, encodeDisconnect(0x8b), bytes('e001 8b')],
  ['a DISCONNECT with a reason and another server', 5, encodeDisconnect(0x9c, 'no', 's'), packet(0xe0, "9c { 1f 0002 'no' 1c 0001 's' }")],
  ['an AUTH', 5, encodeAuth(0x18, 'm', bytes('0102'), 'more'), packet(0xf0, "18 { 15 0001 'm' 16 0002 0102 1f 0004 'more' }")],
  ['a PINGRESP', 4, pingresp, bytes('d000')],
  ['a PUBACK', 4, acked('puback', 0x0102, 0, 4), bytes('4002 0102')],
  ['a PUBREC', 4, acked('pubrec', 0x0102, 0, 4), bytes('5002 0102')],
  ['a PUBREL', 4, acked('pubrel', 0x0102, 0, 4), bytes('6202 0102')],
  ['a PUBCOMP', 4, acked('pubcomp', 0x0102, 0, 4), bytes('7002 0102')],
  ['a PUBACK of MQTT 3.1.1 for a refusal, which it cannot say', 4, acked('puback', 1, 0x99, 4), bytes('4002 0001')],
  ['a PUBACK of MQTT 5 for success', 5, acked('puback', 0xffff, 0, 5), bytes('4002 ffff')],
  ['a PUBREC of MQTT 5 with a reason code', 5, acked('pubrec', 1, 0x99, 5), bytes('5003 0001 99')],
  ['a PUBREL of MQTT 5 with a reason code', 5, acked('pubrel', 1, 0x92, 5), bytes('6203 0001 92')],
]

for (const [says, version, written, expected] of pairs) {
  test(`${says} is written byte for byte, and a client can read it`, () => {
    assert.equal(written.toString('hex'), expected.toString('hex'))
    assert.notEqual(parsed(version, written), undefined)
  })
}

test('MQTT 3 is told each reason in one of its five codes', () => {
  const codes: Record<number, number> = {
    128: 3,
    129: 5,
    132: 1,
    133: 2,
    134: 4,
    135: 5,
    136: 3,
    137: 3,
    139: 3,
    140: 4,
    144: 5,
    151: 3,
    159: 3,
  }
  for (const [reasonCode, code] of Object.entries(codes)) assert.equal(encodeConnack(4, { reasonCode: Number(reasonCode) })[3], code)
})

const hello: OutgoingPublish = {
  version: 4,
  topic: bytes("'a/b'"),
  payload: bytes("'hi'"),
  qos: 0,
  retain: false,
  dup: false,
  properties: undefined,
}
const withProperties: OutgoingPublish = { ...hello, version: 5, properties: bytes("0101 02 00000064 26 0001 'k' 0001 'v'") }

const publishes: (readonly [says: string, publish: OutgoingPublish, expected: Buffer, packetIdAt: number])[] = [
  ['with QoS 0', hello, packet(0x30, "0003 'a/b' 'hi'"), 0],
  ['with QoS 1, DUP and RETAIN', { ...hello, qos: 1, dup: true, retain: true }, packet(0x3b, "0003 'a/b' 0000 'hi'"), 7],
  ['of MQTT 3.1.1, which leaves all properties out', { ...withProperties, version: 4, topicAlias: 1 }, packet(0x30, "0003 'a/b' 'hi'"), 0],
  ['of MQTT 5 without properties', { ...hello, version: 5, qos: 2 }, packet(0x34, "0003 'a/b' 0000 00 'hi'"), 7],
  ['of MQTT 5 with properties', withProperties, packet(0x30, "0003 'a/b' { 0101 02 00000064 26 0001 'k' 0001 'v' } 'hi'"), 0],
  [
    'whose message expiry is written anew',
    { ...withProperties, messageExpirySeconds: 0x0102_0304 },
    packet(0x30, "0003 'a/b' { 0101 02 01020304 26 0001 'k' 0001 'v' } 'hi'"),
    0,
  ],
  [
    'whose message expiry was not there',
    { ...hello, version: 5, messageExpirySeconds: 0xffff_ffff },
    packet(0x30, "0003 'a/b' { 02 ffffffff } 'hi'"),
    0,
  ],
  [
    'with subscription identifiers and a topic alias',
    { ...withProperties, topic: bytes(''), properties: bytes('0101'), subscriptionIdentifiers: [1, 128, 268_435_455], topicAlias: 9 },
    packet(0x30, "0000 { 0101 23 0009 0b 01 0b 8001 0b ffffff7f } 'hi'"),
    0,
  ],
]

for (const [says, publish, expected, packetIdAt] of publishes) {
  test(`a PUBLISH ${says} is written byte for byte, and a client can read it`, () => {
    const before = publish.properties && Buffer.from(publish.properties)
    const encoded = encodePublish(publish)
    assert.equal(encoded.bytes.toString('hex'), expected.toString('hex'))
    assert.equal(encoded.packetIdAt, packetIdAt)
    assert.deepEqual(publish.properties, before, 'the message itself is as it was')
    assert.notEqual(parsed(publish.version, encoded.bytes), undefined)
  })
}

test('one encoding serves many receivers, each with its own packet identifier and DUP', () => {
  const encoded = encodePublish({ ...hello, qos: 1, payload: Buffer.alloc(20_000, 'x') })
  const untouched = Buffer.from(encoded.bytes)
  const first = withPacketId(encoded, 0x0102, false)
  const second = Buffer.alloc(encoded.bytes.length + 3)
  assert.equal(writePublish(second, 3, encoded, 0xffff, true), second.length)
  assert.deepEqual(encoded.bytes, untouched)
  const read = (packet: Buffer) => transcript(4, [packet]).map(([, fields]) => fields as { packetId: number; dup: boolean })
  assert.deepEqual(
    read(first).map(({ packetId, dup }) => [packetId, dup]),
    [[0x0102, false]],
  )
  assert.deepEqual(
    read(second.subarray(3)).map(({ packetId, dup }) => [packetId, dup]),
    [[0xffff, true]],
  )
})

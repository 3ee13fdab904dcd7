// Every packet a client sends, as pairs of bytes and fields; each pair is read whole, byte by byte, and cut at every place.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProtocolVersion } from '../../../hub/mqtt/codec.ts'
import { bytes, connects, type Event, packet, transcript } from './kit.ts'

interface Pair {
  readonly says: string
  readonly version: ProtocolVersion | 0
  readonly bytes: Buffer
  readonly event: Event
}

const connect = {
  version: 4,
  bridge: false,
  clientId: 'c',
  cleanStart: true,
  keepAliveSeconds: 60,
  username: undefined,
  password: undefined,
  will: undefined,
  sessionExpirySeconds: undefined,
  receiveMaximum: 65_535,
  maximumPacketSize: undefined,
  topicAliasMaximum: 0,
  requestResponseInformation: false,
  requestProblemInformation: true,
  authenticationMethod: undefined,
  authenticationData: undefined,
  userProperties: [],
}

const will = {
  topic: 'w',
  payload: bytes("'bye'"),
  qos: 1,
  retain: true,
  delaySeconds: 0,
  properties: undefined,
  messageExpirySeconds: -1,
}

const publish = {
  qos: 0,
  retain: false,
  dup: false,
  packetId: 0,
  topicAlias: 0,
  messageExpirySeconds: -1,
  topic: 'a/b',
  payload: '6869',
  properties: undefined,
}

const subscription = { filter: 'a/+', qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 }

const pairs: Pair[] = [
  { says: 'the smallest CONNECT of MQTT 3.1', version: 0, bytes: connects[3], event: ['connect', { ...connect, version: 3 }] },
  { says: 'the smallest CONNECT of MQTT 3.1.1', version: 0, bytes: connects[4], event: ['connect', connect] },
  { says: 'the smallest CONNECT of MQTT 5', version: 0, bytes: connects[5], event: ['connect', { ...connect, version: 5 }] },
  {
    says: 'a CONNECT of MQTT 3.1.1 with all it can carry',
    version: 0,
    bytes: packet(0x10, "0004 'MQTT' 04 ee 0000 0002 'id' 0001 'w' 0003 'bye' 0004 'user' 0004 'pass'"),
    event: ['connect', { ...connect, clientId: 'id', keepAliveSeconds: 0, will, username: 'user', password: bytes("'pass'") }],
  },
  {
    says: 'a CONNECT of MQTT 3.1.1 without a client identifier',
    version: 0,
    bytes: packet(0x10, "0004 'MQTT' 04 02 003c 0000"),
    event: ['connect', { ...connect, clientId: '' }],
  },
  {
    says: 'a CONNECT of a bridge, MQTT 3.1.1 and 3.1',
    version: 0,
    bytes: packet(0x10, "0004 'MQTT' 84 02 003c 0001 'c'"),
    event: ['connect', { ...connect, bridge: true }],
  },
  {
    says: 'a CONNECT of MQTT 3.1 from a bridge with a client identifier longer than 23 characters',
    version: 0,
    bytes: packet(0x10, "0006 'MQIsdp' 83 02 003c 0018 'abcdefghijklmnopqrstuvwx'"),
    event: ['connect', { ...connect, version: 3, bridge: true, clientId: 'abcdefghijklmnopqrstuvwx' }],
  },
  {
    says: 'a CONNECT of MQTT 5 with a password and no user name, and a will with its properties around the delay',
    version: 0,
    bytes: packet(0x10, "0004 'MQTT' 05 6c 003c 00 0001 'c' { 0101 18 00000005 02 0000000a 03 0001 't' } 0001 'w' 0003 'bye' 0001 'p'"),
    event: [
      'connect',
      {
        ...connect,
        version: 5,
        cleanStart: false,
        password: bytes("'p'"),
        will: { ...will, delaySeconds: 5, properties: bytes("0101 02 0000000a 03 0001 't'"), messageExpirySeconds: 10 },
      },
    ],
  },
  {
    says: 'a CONNECT of MQTT 5 with every property',
    version: 0,
    bytes: packet(
      0x10,
      "0004 'MQTT' 05 00 003c { 11 ffffffff 21 0014 27 00010000 22 000a 19 01 17 00 15 0003 'abc' 16 0002 0102" +
        "26 0001 'k' 0001 '1' 26 0001 'j' 0001 '2' 26 0001 'k' 0000 } 0001 'c'",
    ),
    event: [
      'connect',
      {
        ...connect,
        version: 5,
        cleanStart: false,
        sessionExpirySeconds: 0xffff_ffff,
        receiveMaximum: 20,
        maximumPacketSize: 65_536,
        topicAliasMaximum: 10,
        requestResponseInformation: true,
        requestProblemInformation: false,
        authenticationMethod: 'abc',
        authenticationData: bytes('0102'),
        userProperties: [
          ['k', '1'],
          ['j', '2'],
          ['k', ''],
        ],
      },
    ],
  },
  {
    says: 'a PUBLISH with QoS 0',
    version: 4,
    bytes: packet(0x30, "0003 'a/b' 'hi'"),
    event: ['publish', publish],
  },
  {
    says: 'a PUBLISH with QoS 1, DUP and RETAIN',
    version: 3,
    bytes: packet(0x3b, "0003 'a/b' 0102 'hi'"),
    event: ['publish', { ...publish, qos: 1, dup: true, retain: true, packetId: 0x0102 }],
  },
  {
    says: 'a PUBLISH with QoS 2 and no payload',
    version: 4,
    bytes: packet(0x34, "0003 'a/b' ffff"),
    event: ['publish', { ...publish, qos: 2, packetId: 0xffff, payload: '' }],
  },
  {
    says: 'a PUBLISH of MQTT 5 without properties',
    version: 5,
    bytes: packet(0x32, "0003 'a/b' 0001 00 'hi'"),
    event: ['publish', { ...publish, qos: 1, packetId: 1 }],
  },
  {
    says: 'a PUBLISH of MQTT 5 with every property, the alias between them',
    version: 5,
    bytes: packet(
      0x32,
      "0003 'a/b' 0001 { 0101 02 ffffffff 23 0007 08 0001 'r' 09 0002 00ff 03 0001 't' 26 0001 'k' 0001 '1' 26 0001 'k' 0001 '2' } 'hi'",
    ),
    event: [
      'publish',
      {
        ...publish,
        qos: 1,
        packetId: 1,
        topicAlias: 7,
        messageExpirySeconds: 0xffff_ffff,
        properties: bytes("0101 02 ffffffff 08 0001 'r' 09 0002 00ff 03 0001 't' 26 0001 'k' 0001 '1' 26 0001 'k' 0001 '2'").toString(
          'hex',
        ),
      },
    ],
  },
  {
    says: 'a PUBLISH of MQTT 5 with an alias instead of a topic',
    version: 5,
    bytes: packet(0x30, "0000 { 23 0001 } 'hi'"),
    event: ['publish', { ...publish, topic: '', topicAlias: 1 }],
  },
  {
    says: 'a PUBLISH of MQTT 5 whose alias stands before its other properties',
    version: 5,
    bytes: packet(0x30, "0003 'a/b' { 23 0001 0100 } 'hi'"),
    event: ['publish', { ...publish, topicAlias: 1, properties: '0100' }],
  },
  {
    says: 'a PUBLISH of MQTT 5 whose alias stands behind its other properties',
    version: 5,
    bytes: packet(0x30, "0003 'a/b' { 0100 23 0001 } 'hi'"),
    event: ['publish', { ...publish, topicAlias: 1, properties: '0100' }],
  },
  { says: 'a PUBACK', version: 4, bytes: bytes('4002 0102'), event: ['puback', 0x0102, 0] },
  { says: 'a PUBREC', version: 4, bytes: bytes('5002 0102'), event: ['pubrec', 0x0102, 0] },
  { says: 'a PUBREL', version: 4, bytes: bytes('6202 0102'), event: ['pubrel', 0x0102, 0] },
  { says: 'a PUBREL of MQTT 3.1 with DUP', version: 3, bytes: bytes('6a02 0102'), event: ['pubrel', 0x0102, 0] },
  { says: 'a PUBCOMP', version: 4, bytes: bytes('7002 0102'), event: ['pubcomp', 0x0102, 0] },
  { says: 'a PUBACK of MQTT 5 in its shortest form', version: 5, bytes: bytes('4002 0102'), event: ['puback', 0x0102, 0] },
  { says: 'a PUBACK of MQTT 5 with a reason code', version: 5, bytes: bytes('4003 0102 10'), event: ['puback', 0x0102, 0x10] },
  {
    says: 'a PUBREC of MQTT 5 with a reason code and no properties',
    version: 5,
    bytes: bytes('5004 0102 97 00'),
    event: ['pubrec', 0x0102, 0x97],
  },
  { says: 'a PUBREL of MQTT 5 with a reason code', version: 5, bytes: bytes('6203 0102 92'), event: ['pubrel', 0x0102, 0x92] },
  {
    says: 'a PUBCOMP of MQTT 5 with a reason string and a user property',
    version: 5,
    bytes: packet(0x70, "0102 92 { 1f 0001 'x' 26 0001 'k' 0001 'v' }"),
    event: ['pubcomp', 0x0102, 0x92],
  },
  {
    says: 'a SUBSCRIBE of MQTT 3.1.1 with two filters',
    version: 4,
    bytes: packet(0x82, "0001 0003 'a/+' 01 0001 '#' 02"),
    event: [
      'subscribe',
      {
        packetId: 1,
        subscriptionIdentifier: undefined,
        subscriptions: [subscription, { ...subscription, filter: '#', qos: 2 }],
        userProperties: [],
      },
    ],
  },
  {
    says: 'a SUBSCRIBE of MQTT 3.1 with DUP',
    version: 3,
    bytes: packet(0x8a, "0001 0003 'a/+' 01"),
    event: ['subscribe', { packetId: 1, subscriptionIdentifier: undefined, subscriptions: [subscription], userProperties: [] }],
  },
  {
    says: 'a SUBSCRIBE of MQTT 5 with an identifier, all options and a shared filter',
    version: 5,
    bytes: packet(0x82, "0001 { 0b 8001 26 0001 'k' 0002 'vw' } 0003 'a/+' 2d 000a '$share/g/#' 18"),
    event: [
      'subscribe',
      {
        packetId: 1,
        subscriptionIdentifier: 128,
        subscriptions: [
          { filter: 'a/+', qos: 1, noLocal: true, retainAsPublished: true, retainHandling: 2 },
          { filter: '$share/g/#', qos: 0, noLocal: false, retainAsPublished: true, retainHandling: 1 },
        ],
        userProperties: [['k', 'vw']],
      },
    ],
  },
  {
    says: 'an UNSUBSCRIBE of MQTT 3.1.1',
    version: 4,
    bytes: packet(0xa2, "0001 0003 'a/+' 0001 '#'"),
    event: ['unsubscribe', { packetId: 1, filters: ['a/+', '#'] }],
  },
  {
    says: 'an UNSUBSCRIBE of MQTT 5',
    version: 5,
    bytes: packet(0xa2, "0001 { 26 0001 'k' 0001 'v' } 0003 'a/+'"),
    event: ['unsubscribe', { packetId: 1, filters: ['a/+'] }],
  },
  { says: 'a PINGREQ', version: 4, bytes: bytes('c000'), event: ['pingreq'] },
  {
    says: 'a DISCONNECT of MQTT 3.1.1',
    version: 4,
    bytes: bytes('e000'),
    event: ['disconnect', { reasonCode: 0, sessionExpirySeconds: undefined, reasonString: undefined }],
  },
  {
    says: 'a DISCONNECT of MQTT 5 with a reason code alone',
    version: 5,
    bytes: bytes('e001 04'),
    event: ['disconnect', { reasonCode: 4, sessionExpirySeconds: undefined, reasonString: undefined }],
  },
  {
    says: 'a DISCONNECT of MQTT 5 with properties',
    version: 5,
    bytes: packet(0xe0, "00 { 11 00000000 1f 0002 'ok' }"),
    event: ['disconnect', { reasonCode: 0, sessionExpirySeconds: 0, reasonString: 'ok' }],
  },
  {
    says: 'an AUTH',
    version: 5,
    bytes: packet(0xf0, "18 { 15 0001 'm' 16 0002 0102 1f 0002 'ok' }"),
    event: ['auth', { reasonCode: 0x18, authenticationMethod: 'm', authenticationData: bytes('0102'), reasonString: 'ok' }],
  },
  {
    says: 'a string with U+FEFF, which stays, and characters of two, three and four bytes',
    version: 4,
    bytes: packet(0xa2, "0001 000d '\u{feff}é€\u{10ffff}/'"),
    event: ['unsubscribe', { packetId: 1, filters: ['\u{feff}é€\u{10ffff}/'] }],
  },
]

for (const pair of pairs) {
  test(`${pair.says} is read to its fields, whole, byte by byte and cut at every place`, () => {
    assert.deepEqual(transcript(pair.version, [pair.bytes]), [pair.event])
    assert.deepEqual(
      transcript(
        pair.version,
        [...pair.bytes].map((byte) => Buffer.from([byte])),
      ),
      [pair.event],
    )
    for (let cut = 1; cut < pair.bytes.length; cut++) {
      assert.deepEqual(transcript(pair.version, [pair.bytes.subarray(0, cut), pair.bytes.subarray(cut)]), [pair.event], `cut at ${cut}`)
    }
  })
}

for (const version of [3, 4, 5] as const) {
  const own = pairs.filter((pair) => pair.version === version)

  test(`any two packets of version ${version} in one chunk, cut at every place, are read in order`, () => {
    for (const first of own) {
      for (const second of own) {
        const both = Buffer.concat([first.bytes, second.bytes])
        for (let cut = 0; cut <= both.length; cut++) {
          assert.deepEqual(transcript(version, [both.subarray(0, cut), both.subarray(cut)]), [first.event, second.event])
        }
      }
    }
  })

  test(`a CONNECT of version ${version} and a packet in one chunk are read in the version of the CONNECT`, () => {
    for (const { bytes: second, event } of own) {
      const both = Buffer.concat([connects[version], second])
      for (let cut = 0; cut <= both.length; cut++) {
        assert.deepEqual(transcript(0, [both.subarray(0, cut), both.subarray(cut)]).slice(1), [event])
      }
    }
  })
}

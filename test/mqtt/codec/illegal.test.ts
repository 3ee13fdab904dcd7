// What a client must not send, byte for byte: the 41 packets mqtt-packet was tried with (of which it let 29 through), and their kin.
// One of them, the filter a#, refuses only itself: `subscribe.ts` answers it (test/mqtt/03), so the codec lets it pass.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal, type RefusalCode } from '../../../hub/errors.ts'
import { PacketReader, type ProtocolVersion, readTopicName } from '../../../hub/mqtt/codec.ts'
import { bytes, connects, outcome, packet, Recorder } from './kit.ts'

type Row = readonly [says: string, version: ProtocolVersion | 0, packet: Buffer, code: RefusalCode]

const refusedByAll: Row[] = [
  ['a PUBLISH with QoS 3', 4, packet(0x36, "0001 'a' 0001"), 'malformed-packet'],
  ['a CONNECT with its reserved flag', 0, packet(0x10, "0004 'MQTT' 04 03 003c 0001 'c'"), 'malformed-packet'],
  ['will retain without a will', 0, packet(0x10, "0004 'MQTT' 04 22 003c 0001 'c'"), 'malformed-packet'],
  ['an unknown protocol name', 0, packet(0x10, "0004 'QTTM' 04 02 003c 0001 'c'"), 'version-unsupported'],
  ['an unknown protocol level', 0, packet(0x10, "0004 'MQTT' 06 02 003c 0001 'c'"), 'version-unsupported'],
  ['a SUBSCRIBE without the flags of its first byte', 4, packet(0x80, "0001 0001 'a' 00"), 'malformed-packet'],
  ['a PUBREL without the flags of its first byte', 4, packet(0x60, '0001'), 'malformed-packet'],
  ['reserved bits in the subscription options', 5, packet(0x82, "0001 00 0001 'a' 40"), 'malformed-packet'],
  ['Retain Handling 3', 5, packet(0x82, "0001 00 0001 'a' 30"), 'protocol-error'],
  ['an unknown reason code in PUBACK', 5, packet(0x40, '0001 01'), 'protocol-error'],
  ['packet type 0', 4, bytes('0000'), 'malformed-packet'],
  ['a remaining length of five bytes', 4, bytes('30 8080808001'), 'malformed-packet'],
]

const refusedByUs: Row[] = [
  ['a topic filter that is not UTF-8', 4, packet(0x82, '0001 0002 c328 00'), 'malformed-packet'],
  ['a topic filter with U+0000', 4, packet(0x82, "0001 0003 'a' 00 'b' 00"), 'malformed-packet'],
  ['a topic filter with a surrogate', 4, packet(0x82, '0001 0003 eda080 00'), 'malformed-packet'],
  ['a will topic with a wildcard', 0, packet(0x10, "0004 'MQTT' 04 06 003c 0001 'c' 0003 'a/+' 0000"), 'topic-invalid'],
  ['an empty topic without an alias', 5, packet(0x30, '0000 00'), 'protocol-error'],
  ['a Packet Identifier of 0', 4, packet(0x32, "0001 'a' 0000"), 'protocol-error'],
  ['DUP with QoS 0', 4, packet(0x38, "0001 'a'"), 'malformed-packet'],
  ['a Topic Alias of 0', 5, packet(0x30, "0001 'a' { 23 0000 }"), 'protocol-error'],
  ['a property twice', 5, packet(0x30, "0001 'a' { 0100 0100 }"), 'protocol-error'],
  ['a property of another packet', 5, packet(0x30, "0001 'a' { 11 00000000 }"), 'malformed-packet'],
  ['a Subscription Identifier in a PUBLISH', 5, packet(0x30, "0001 'a' { 0b 01 }"), 'protocol-error'],
  ['a Payload Format Indicator of 2', 5, packet(0x30, "0001 'a' { 01 02 }"), 'protocol-error'],
  ['a wildcard in the Response Topic', 5, packet(0x30, "0001 'a' { 08 0003 'r/#' }"), 'protocol-error'],
  ['a will with QoS 3', 0, packet(0x10, "0004 'MQTT' 04 1e 003c 0001 'c' 0001 'w' 0000"), 'malformed-packet'],
  ['a Receive Maximum of 0', 0, packet(0x10, "0004 'MQTT' 05 02 003c { 21 0000 } 0001 'c'"), 'protocol-error'],
  ['a Maximum Packet Size of 0', 0, packet(0x10, "0004 'MQTT' 05 02 003c { 27 00000000 } 0001 'c'"), 'protocol-error'],
  ['a Session Expiry Interval twice', 0, packet(0x10, "0004 'MQTT' 05 02 003c { 11 00000001 11 00000001 } 0001 'c'"), 'protocol-error'],
  ['Authentication Data without a method', 0, packet(0x10, "0004 'MQTT' 05 02 003c { 16 0001 00 } 0001 'c'"), 'protocol-error'],
  ['Request Problem Information of 2', 0, packet(0x10, "0004 'MQTT' 05 02 003c { 17 02 } 0001 'c'"), 'protocol-error'],
  ['bytes behind the last field of CONNECT', 0, packet(0x10, "0004 'MQTT' 04 02 003c 0001 'c' 00"), 'malformed-packet'],
  ['a password without a user name in 3.1.1', 0, packet(0x10, "0004 'MQTT' 04 42 003c 0001 'c' 0001 'p'"), 'protocol-error'],
  ['a SUBSCRIBE without filters', 4, packet(0x82, '0001'), 'protocol-error'],
  ['a Subscription Identifier of 0', 5, packet(0x82, "0001 { 0b 00 } 0001 'a' 00"), 'protocol-error'],
  ['No Local on a shared subscription', 5, packet(0x82, "0001 00 000a '$share/g/a' 04"), 'protocol-error'],
  ['an UNSUBSCRIBE without filters', 4, packet(0xa2, '0001'), 'protocol-error'],
  ['a PINGREQ with a body', 4, bytes('c001 00'), 'malformed-packet'],
  ['a remaining length that is not in its fewest bytes', 4, bytes('c080 00'), 'malformed-packet'],
  ['a CONNACK', 4, bytes('2002 0000'), 'protocol-error'],
]

const kin: Row[] = [
  ['any first packet but CONNECT', 0, bytes('c000'), 'protocol-error'],
  ['an HTTP request', 0, bytes("'GET / HTTP/1.1'"), 'protocol-error'],
  ['a PUBACK whose length is not in its fewest bytes, and which could be read otherwise', 5, bytes('40 8200 0100'), 'malformed-packet'],
  ['a length of zero in four bytes', 4, bytes('c0 80808000'), 'malformed-packet'],
  ['a second CONNECT', 4, connects[4], 'protocol-error'],
  ['AUTH in MQTT 3.1.1', 4, bytes('f000'), 'protocol-error'],
  ['a SUBACK', 5, bytes('9004 0001 00 00'), 'protocol-error'],
  ['an UNSUBACK', 5, bytes('b004 0001 00 00'), 'protocol-error'],
  ['a PINGRESP', 5, bytes('d000'), 'protocol-error'],
  ['a CONNECT with flags in its first byte', 0, bytes('11 0c'), 'malformed-packet'],
  ['a PUBREL with DUP in MQTT 3.1.1', 4, bytes('6a02 0001'), 'malformed-packet'],
  ['MQIsdp with level 4', 0, packet(0x10, "0006 'MQIsdp' 04 02 003c 0001 'c'"), 'version-unsupported'],
  ['MQTT with level 3', 0, packet(0x10, "0004 'MQTT' 03 02 003c 0001 'c'"), 'version-unsupported'],
  ['the bridge bit in MQTT 5', 0, packet(0x10, "0004 'MQTT' 85 02 003c 00 0001 'c'"), 'version-unsupported'],
  ['a CONNECT that ends in its protocol name', 0, packet(0x10, "0004 'MQ'"), 'malformed-packet'],
  ['a CONNECT that ends behind its protocol name', 0, packet(0x10, "0004 'MQTT'"), 'malformed-packet'],
  ['a CONNECT that ends in its keep-alive', 0, packet(0x10, "0004 'MQTT' 04 02 00"), 'malformed-packet'],
  ['a CONNECT that ends before its client identifier', 0, packet(0x10, "0004 'MQTT' 04 02 003c"), 'malformed-packet'],
  ['a CONNECT whose user name is missing', 0, packet(0x10, "0004 'MQTT' 04 82 003c 0001 'c'"), 'malformed-packet'],
  ['a CONNECT whose password is cut off', 0, packet(0x10, "0004 'MQTT' 04 c2 003c 0001 'c' 0001 'u' 0002 'p'"), 'malformed-packet'],
  ['a CONNECT whose will payload is missing', 0, packet(0x10, "0004 'MQTT' 04 06 003c 0001 'c' 0001 'w'"), 'malformed-packet'],
  ['a CONNECT of MQTT 5 without properties', 0, packet(0x10, "0004 'MQTT' 05 02 003c"), 'malformed-packet'],
  ['a will QoS without a will', 0, packet(0x10, "0004 'MQTT' 04 0a 003c 0001 'c'"), 'malformed-packet'],
  ['an empty will topic', 0, packet(0x10, "0004 'MQTT' 04 06 003c 0001 'c' 0000 0000"), 'topic-invalid'],
  ['a client identifier that is not UTF-8', 0, packet(0x10, "0004 'MQTT' 04 02 003c 0001 ff"), 'malformed-packet'],
  ['a user name with U+0000', 0, packet(0x10, "0004 'MQTT' 04 82 003c 0001 'c' 0001 00"), 'malformed-packet'],
  ['no client identifier in MQTT 3.1', 0, packet(0x10, "0006 'MQIsdp' 03 02 003c 0000"), 'client-id-invalid'],
  ['no client identifier for a session that is to be kept', 0, packet(0x10, "0004 'MQTT' 04 00 003c 0000"), 'client-id-invalid'],
  ['a Will Delay Interval outside the will', 0, packet(0x10, "0004 'MQTT' 05 02 003c { 18 00000001 } 0001 'c'"), 'malformed-packet'],
  ['a Topic Alias in a will', 0, packet(0x10, "0004 'MQTT' 05 06 003c 00 0001 'c' { 23 0001 } 0001 'w' 0000"), 'malformed-packet'],
  ['a user property that is not UTF-8', 5, packet(0x30, "0001 'a' { 26 0001 'k' 0001 ff }"), 'malformed-packet'],
  ['a user property whose name has U+0000', 5, packet(0x30, "0001 'a' { 26 0001 00 0001 'v' }"), 'malformed-packet'],
  ['a property that does not exist', 5, packet(0x30, "0001 'a' { 2b 00 }"), 'malformed-packet'],
  ['properties that reach past the packet', 5, packet(0x30, "0001 'a' 05 01 00"), 'malformed-packet'],
  ['a property that reaches past the properties', 5, packet(0x30, "0001 'a' 03 02 0000 0001"), 'malformed-packet'],
  ['a string that reaches past the properties', 5, packet(0x30, "0001 'a' 04 03 0002 'x' 'y'"), 'malformed-packet'],
  ['a property length that is not in its fewest bytes', 5, packet(0x30, "0001 'a' 8000"), 'malformed-packet'],
  ['a property length that is cut off', 5, packet(0x30, "0001 'a' 80"), 'malformed-packet'],
  ['a PUBLISH of MQTT 5 without a property length', 5, packet(0x30, "0001 'a'"), 'malformed-packet'],
  ['an empty Response Topic', 5, packet(0x30, "0001 'a' { 08 0000 }"), 'protocol-error'],
  ['a topic that reaches past the packet', 4, packet(0x30, "0005 'a'"), 'malformed-packet'],
  ['a PUBLISH without a body', 4, bytes('3000'), 'malformed-packet'],
  ['a PUBLISH with QoS 1 that ends in its Packet Identifier', 4, packet(0x32, "0001 'a' 00"), 'malformed-packet'],
  ['an empty topic in MQTT 3.1.1', 4, packet(0x30, '0000'), 'malformed-packet'],
  ['a PUBACK of one byte', 4, bytes('4001 00'), 'malformed-packet'],
  ['a PUBACK with Packet Identifier 0', 4, bytes('4002 0000'), 'protocol-error'],
  ['a PUBACK of three bytes in MQTT 3.1.1', 4, bytes('4003 0001 00'), 'malformed-packet'],
  ['a PUBACK whose properties are followed by more', 5, bytes('4005 0001 00 00 00'), 'malformed-packet'],
  ['a PUBREL with the reason code of a PUBREC', 5, bytes('6203 0001 97'), 'protocol-error'],
  ['a SUBSCRIBE with Packet Identifier 0', 4, packet(0x82, "0000 0001 'a' 00"), 'protocol-error'],
  ['a SUBSCRIBE without options behind its filter', 4, packet(0x82, "0001 0001 'a'"), 'malformed-packet'],
  ['a SUBSCRIBE for QoS 3', 4, packet(0x82, "0001 0001 'a' 03"), 'malformed-packet'],
  ['a SUBSCRIBE of MQTT 5 for QoS 3', 5, packet(0x82, "0001 00 0001 'a' 03"), 'protocol-error'],
  ['the options of MQTT 5 in MQTT 3.1.1', 4, packet(0x82, "0001 0001 'a' 04"), 'malformed-packet'],
  ['a Subscription Identifier twice in a SUBSCRIBE', 5, packet(0x82, "0001 { 0b01 0b02 } 0001 'a' 00"), 'protocol-error'],
  ['a DISCONNECT with a body in MQTT 3.1.1', 4, bytes('e001 00'), 'malformed-packet'],
  ['a DISCONNECT with the reason code of a server', 5, bytes('e001 8b'), 'protocol-error'],
  ['a DISCONNECT whose properties are followed by more', 5, bytes('e003 00 00 00'), 'malformed-packet'],
  ['an AUTH without a body, which says Success', 5, bytes('f000'), 'protocol-error'],
  ['an AUTH without a method', 5, bytes('f002 18 00'), 'protocol-error'],
  ['an AUTH without properties', 5, bytes('f001 18'), 'malformed-packet'],
]

test('the table holds the 41 packets of the design page', () => {
  assert.equal(refusedByAll.length, 12)
  assert.equal(refusedByUs.length + 1, 29) // and the filter a#
})

const passedOn = [
  packet(0x82, "0001 0002 'a#' 00"),
  packet(0x82, '0001 0000 00'),
  packet(0xa2, '0001 0000'),
  packet(0xa2, "0001 0002 '+a'"),
  packet(0x82, "0001 0003 '#/a' 00"),
  packet(0x82, "0001 0008 '$share/g' 00"),
]

test('a filter that is none but is a string reaches the handler, which refuses it alone', () => {
  for (const [at, one] of passedOn.entries()) assert.equal(outcome(4, one), 'accepted', `${at}`)
})

for (const [says, version, illegal, code] of [...refusedByAll, ...refusedByUs, ...kin]) {
  test(`${says} is refused as ${code}, however it is cut`, () => {
    assert.equal(outcome(version, illegal), code)
    assert.equal(outcome(version, ...[...illegal].map((byte) => Buffer.from([byte]))), code)
    for (let cut = 1; cut < illegal.length; cut++) assert.equal(outcome(version, illegal.subarray(0, cut), illegal.subarray(cut)), code)
  })
}

test('an illegal packet does not disturb the next connection', () => {
  for (const [, version, illegal, code] of [...refusedByAll, ...refusedByUs, ...kin]) {
    assert.equal(outcome(version, illegal), code)
    assert.equal(outcome(0, connects[4], packet(0x82, "0001 0001 'a' 00"), bytes('e000')), 'accepted')
    assert.equal(outcome(0, connects[5], packet(0x82, "0001 00 0001 'a' 00"), bytes('e000')), 'accepted')
  }
})

const topics: (readonly [says: string, topic: Buffer, code: RefusalCode])[] = [
  ['is empty', bytes(''), 'topic-invalid'],
  ['has a + in it', bytes("'a/+'"), 'topic-invalid'],
  ['has a # in it', bytes("'a#b'"), 'topic-invalid'],
  ['has U+0000 in it', bytes("'a' 00"), 'malformed-packet'],
  ['is not UTF-8', bytes('ff'), 'malformed-packet'],
  ['ends inside a character', bytes("'a' e282"), 'malformed-packet'],
  ['has a surrogate in it', bytes('eda080'), 'malformed-packet'],
  ['has an overlong character in it', bytes('c0af'), 'malformed-packet'],
  ['has an overlong character of three bytes in it', bytes('e08080'), 'malformed-packet'],
  ['has an overlong character of four bytes in it', bytes('f0808080'), 'malformed-packet'],
  ['has a character above U+10FFFF in it', bytes('f4908080'), 'malformed-packet'],
  ['is longer than limits.topicBytes', Buffer.alloc(1025, 'a'), 'topic-invalid'],
  ['has more levels than limits.topicLevels', Buffer.alloc(32, '/'), 'topic-invalid'],
]

for (const [says, topic, code] of topics) {
  test(`a topic name that ${says} is refused as ${code}`, () => {
    assert.throws(
      () => readTopicName(topic, 0, topic.length),
      (error) => error instanceof Refusal && error.code === code,
    )
  })
}

test('a refused CONNECT leaves the version it named, so that it can be answered in its form', () => {
  for (const version of [4, 5] as const) {
    const reader = new PacketReader(new Recorder())
    assert.throws(() => reader.read(packet(0x10, `0004 'MQTT' 0${version} 03 003c 00 0001 'c'`)))
    assert.equal(reader.version, version)
  }
})

// Our hand-written paths against mqtt-packet: what one writes, both read to the same fields.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Packet } from 'mqtt-packet'
import type { QoS } from '../../../devices/message.ts'
import { encodePublish, type ProtocolVersion, withPacketId, writeAck } from '../../../hub/mqtt/codec.ts'
import { type Event, transcript } from './kit.ts'
import { generated, parsed } from './oracle.ts'

const runs = { numRuns: 2_000, seed: 20_260_101 }

const versions = fc.constantFrom<ProtocolVersion[]>(3, 4, 5)
const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((value) => value.replaceAll('\0', ''))
const binary = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value))
const topic = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }).map((value) => value.replaceAll(/[+#\0]/g, '/'))
const u16 = fc.integer({ min: 1, max: 0xffff })
const qos = fc.constantFrom<QoS[]>(0, 1, 2)
const payload = fc.oneof(
  binary,
  fc.constantFrom(100, 127, 128, 16_383, 16_384, 70_000).map((length) => Buffer.alloc(length, 'p')),
)

const publishProperties = fc.record(
  {
    payloadFormatIndicator: fc.boolean(),
    messageExpiryInterval: fc.integer({ min: 0, max: 0xffff_ffff }),
    topicAlias: u16,
    responseTopic: topic,
    correlationData: binary,
    contentType: text,
    userProperties: fc.dictionary(
      text.map((name) => `k${name}`),
      fc.oneof(text, fc.array(text, { minLength: 2, maxLength: 3 })),
      { minKeys: 1, maxKeys: 3, noNullPrototype: false },
    ),
  },
  { requiredKeys: [] },
)

const publishes = fc
  .record({ qos, topic, payload, retain: fc.boolean(), dup: fc.boolean(), messageId: u16, properties: publishProperties })
  .map(
    ({ dup, messageId, ...rest }): Packet => ({
      cmd: 'publish',
      ...rest,
      dup: dup && rest.qos > 0,
      ...(rest.qos > 0 ? { messageId } : {}),
    }),
  )

test('a PUBLISH that mqtt-packet wrote is read to the same fields', () => {
  fc.assert(
    fc.property(versions, publishes, (version, packet) => {
      const bytes = generated(version, packet)
      const theirs = parsed(version, bytes)
      const [[name, ours] = assert.fail('nothing was read')] = transcript(version, [bytes])
      assert(theirs?.cmd === 'publish' && name === 'publish')
      const { properties: encoded, ...fields } = ours as { properties: string | undefined; payload: string }
      assert.deepEqual(fields, {
        qos: theirs.qos,
        retain: theirs.retain,
        dup: theirs.dup,
        packetId: theirs.messageId ?? 0,
        topicAlias: theirs.properties?.topicAlias ?? 0,
        messageExpirySeconds: theirs.properties?.messageExpiryInterval ?? -1,
        topic: theirs.topic,
        payload: theirs.payload.toString('hex'),
      })
      // The forwardable block, put into a new PUBLISH by our encoder, says all that the first one said but the alias.
      const forwarded = encodePublish({
        version,
        topic: Buffer.from(theirs.topic),
        payload: Buffer.from(theirs.payload),
        qos: 0,
        retain: false,
        dup: false,
        properties: encoded === undefined ? undefined : Buffer.from(encoded, 'hex'),
      })
      const again = parsed(version, forwarded.bytes)
      assert(again?.cmd === 'publish')
      const { topicAlias: _, ...expected } = theirs.properties ?? {}
      assert.deepEqual(again.properties ?? {}, expected)
    }),
    runs,
  )
})

const encodable = fc.record({
  version: versions,
  topic,
  payload,
  qos,
  retain: fc.boolean(),
  dup: fc.constant(false),
  packetId: u16,
  again: fc.boolean(),
  identifiers: fc.array(fc.integer({ min: 1, max: 268_435_455 }), { maxLength: 3 }),
  expiry: fc.option(fc.integer({ min: 0, max: 0xffff_ffff }), { nil: undefined }),
  alias: fc.option(u16, { nil: undefined }),
})

test('a PUBLISH that we wrote is read by mqtt-packet to the same fields', () => {
  fc.assert(
    fc.property(encodable, ({ packetId, again, identifiers, expiry, alias, ...publish }) => {
      const encoded = encodePublish({
        ...publish,
        topic: Buffer.from(publish.topic),
        properties: undefined,
        subscriptionIdentifiers: identifiers,
        messageExpirySeconds: expiry,
        topicAlias: alias,
      })
      const bytes = publish.qos === 0 ? encoded.bytes : withPacketId(encoded, packetId, again)
      const theirs = parsed(publish.version, bytes)
      assert(theirs?.cmd === 'publish')
      assert.deepEqual(
        [theirs.topic, theirs.qos, theirs.retain, theirs.dup, theirs.messageId ?? 0],
        [publish.topic, publish.qos, publish.retain, again && publish.qos > 0, publish.qos === 0 ? 0 : packetId],
      )
      assert(publish.payload.equals(Buffer.from(theirs.payload)))
      if (publish.version !== 5) return
      const said = theirs.properties
      assert.deepEqual([said?.messageExpiryInterval, said?.topicAlias], [expiry, alias])
      assert.deepEqual([said?.subscriptionIdentifier ?? []].flat(), identifiers)
    }),
    runs,
  )
})

const acks = fc.constantFrom('puback' as const, 'pubrec' as const, 'pubrel' as const, 'pubcomp' as const)

test('acknowledgements are read alike by both, whoever wrote them', () => {
  fc.assert(
    fc.property(versions, acks, u16, fc.boolean(), text, (version, cmd, messageId, failed, reasonString) => {
      const failure = cmd === 'puback' || cmd === 'pubrec' ? 0x97 : 0x92
      const reasonCode = failed && version === 5 ? failure : 0
      const theirs = generated(version, { cmd, messageId, reasonCode, properties: { reasonString } } as Packet)
      const into = Buffer.alloc(5)
      const ours = into.subarray(0, writeAck(into, 0, cmd, messageId, failed ? failure : 0, version))
      const event: Event = [cmd, messageId, reasonCode]
      assert.deepEqual(transcript(version, [theirs, ours]), [event, event])
      const read = parsed(version, ours)
      assert(read?.cmd === cmd)
      assert.deepEqual([read.messageId, read.reasonCode ?? 0], [messageId, reasonCode])
    }),
    runs,
  )
})

test('a CONNECT that mqtt-packet wrote is read to the same fields', () => {
  const will = fc.record({ topic, payload: binary, qos, retain: fc.boolean() }, { noNullPrototype: true })
  const connects = fc.record({
    clientId: text.map((id) => `c${id}`),
    clean: fc.boolean(),
    keepalive: fc.integer({ min: 0, max: 0xffff }),
    will: fc.option(will, { nil: undefined }),
    username: text,
    password: binary,
  })
  fc.assert(
    fc.property(versions, connects, (version, { will, ...fields }) => {
      const protocolId = version === 3 ? 'MQIsdp' : 'MQTT'
      const bytes = generated(version, { cmd: 'connect', protocolId, protocolVersion: version, ...fields, ...(will && { will }) })
      const [[, read] = assert.fail('nothing was read')] = transcript(0, [bytes])
      const ours = read as Record<string, unknown>
      const { clientId, clean, keepalive, username, password } = fields
      // mqtt-packet writes no user name field for an empty one, and then no password either.
      const expected = { version, clientId, cleanStart: clean, keepAliveSeconds: keepalive }
      assert.deepEqual(
        {
          version: ours['version'],
          clientId: ours['clientId'],
          cleanStart: ours['cleanStart'],
          keepAliveSeconds: ours['keepAliveSeconds'],
        },
        expected,
      )
      if (username !== '') assert.deepEqual([ours['username'], ours['password']], [username, password])
      const ourWill = ours['will'] as typeof will
      assert.deepEqual(ourWill && { topic: ourWill.topic, payload: ourWill.payload, qos: ourWill.qos, retain: ourWill.retain }, will)
    }),
    { ...runs, numRuns: 500 },
  )
})

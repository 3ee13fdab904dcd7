// CONNECT and its will: MQTT 5 and 3.1.1, sections 3.1.2.5 to 3.1.2.7 and the will in 3.1.3.
import assert from 'node:assert/strict'
import { HandClock } from '../../kit/clock.ts'
import { heardBy, hubOfFile } from '../../kit/mqtt.ts'
import { lasting, willOf } from '../../kit/packets.ts'
import { type Bench, statementsOf } from '../../kit/statements.ts'
import { giveKey } from '../../security/kit.ts'
import { binary, connectBytes, connectFlags, noProperties, text, turnedAway, willFields } from './packets.ts'
import { breakOff } from './sessions.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)
/** A password that is right, whoever says it. */
const { secret } = await giveKey(hub, 'tests', { role: 'operator' })

const { clean, will, qos1, qos2, retain, username, password } = connectFlags

async function watcherOf({ name, moor, version }: Bench, topic: string) {
  const watcher = await moor(name('watcher'))
  const subscription = { topic, qos: 2, rap: true } as const
  await watcher.subscribe(topic, version === 5 ? subscription : { qos: 2 })
  return watcher
}

statement(
  ['5.0 [MQTT-3.1.2-8]', '3.1.1 [MQTT-3.1.2-8]'],
  'the will is published once when the connection ends otherwise than by DISCONNECT, whatever ends it, and not before',
  async (bench) => {
    const { name, moor } = bench
    const topic = name('will')
    const watcher = await watcherOf(bench, topic)
    const id = name('broken')
    const willing = (how: string) => moor(id, { will: willOf(topic, how), keepalive: how === 'silence' ? 10 : 0 })

    const cut = await willing('lost network')
    await cut.ping()
    assert.deepEqual(await watcher.leftovers(), [], 'while the connection lasts, nothing is published')
    cut.pullCable()
    assert.deepEqual(await watcher.texts(1), ['lost network'])

    await breakOff(await willing('protocol error'))
    assert.deepEqual(await watcher.texts(1), ['protocol error'])

    const silent = await willing('silence')
    clock.advance(18)
    await silent.closed
    assert.deepEqual(await watcher.texts(1), ['silence'])

    await willing('taken over')
    const newer = await moor(id)
    assert.deepEqual(await watcher.texts(1), ['taken over'])
    await newer.leave()
    assert.deepEqual(await watcher.leftovers(), [])
  },
)

statement(
  ['5.0 [MQTT-3.1.2-8]', '3.1.1 [MQTT-3.1.2-8]', '5.0 [MQTT-3.1.2-10]', '3.1.1 [MQTT-3.1.2-10]'],
  'a DISCONNECT takes the will out of the session, so that nothing publishes it any more',
  async (bench) => {
    const { name, moor, version } = bench
    const [topic, id] = [name('taken-back'), name('polite')]
    const watcher = await watcherOf(bench, topic)
    const polite = await moor(id, lasting(version, { will: willOf(topic, 'taken back') }))
    await polite.leave()
    await breakOff(await moor(id, lasting(version)))
    clock.advance(10)
    await moor(id, { clean: true })
    assert.deepEqual(await watcher.leftovers(), [])
  },
)

statement(
  ['5.0 [MQTT-3.1.2-10]', '3.1.1 [MQTT-3.1.2-10]'],
  'a will that has been published is gone from the session and is not published again',
  async (bench) => {
    const { name, moor, version } = bench
    const [topic, id] = [name('once'), name('mortal')]
    const watcher = await watcherOf(bench, topic)
    await breakOff(await moor(id, lasting(version, { will: willOf(topic, 'once') })))
    assert.deepEqual(await watcher.texts(1), ['once'])
    for (let round = 0; round < 2; round++) await breakOff(await moor(id, lasting(version)))
    await moor(id, { clean: true })
    assert.deepEqual(await watcher.leftovers(), [])
  },
)

statement(['3.1.1 [MQTT-3.1.2-12]'], 'a connection without a will leaves none, not even that of the connection before', async (bench) => {
  const { name, moor, version } = bench
  const [topic, id] = [name('none'), name('will-less')]
  const watcher = await watcherOf(bench, '#')
  const first = await moor(id, lasting(version, { will: willOf(topic, 'of the first connection') }))
  await first.leave()
  await breakOff(await moor(id, lasting(version)))
  await breakOff(await moor(id, { clean: true }))
  assert.deepEqual(await watcher.leftovers(), [])
})

statement(
  ['5.0 [MQTT-3.1.2-7]', '3.1.1 [MQTT-3.1.2-8]'],
  'the hub keeps the will as it was given: topic, payload, QoS and, in MQTT 5, properties',
  async (bench) => {
    const { name, moor, version } = bench
    const topic = name('as-given')
    const watcher = await watcherOf(bench, topic)
    const properties = {
      contentType: 'text/plain',
      responseTopic: 'answers',
      correlationData: Buffer.from([1, 2, 3]),
      payloadFormatIndicator: true,
      messageExpiryInterval: 1000,
      userProperties: { a: 'b' },
    }
    const given = { ...willOf(topic, 'Grüße', 2), ...(version === 5 ? { properties } : {}) }
    await breakOff(await moor(name('testator'), { will: given }))
    const [message] = await watcher.messages(1)
    assert.deepEqual([message?.topic, message?.payload.toString(), message?.qos], [topic, 'Grüße', 2])
    if (version === 5) assert.deepEqual({ ...message?.properties, userProperties: { ...message?.properties?.userProperties } }, properties)
    await breakOff(await moor(name('testator'), { will: willOf(topic, '') }))
    const [empty] = await watcher.messages(1)
    assert.equal(empty?.payload.length, 0, 'a will may be empty')
  },
)

statement(
  ['5.0 [MQTT-3.1.2-8]'],
  'a will with a delay is published when the delay has passed or when the session ends, whichever comes first',
  async (bench) => {
    const { name, moor } = bench
    const topic = name('delayed')
    const watcher = await watcherOf(bench, topic)
    const delayed = (payload: string, willDelayInterval: number, sessionExpiryInterval: number) => ({
      clean: false,
      will: { ...willOf(topic, payload), properties: { willDelayInterval } },
      properties: { sessionExpiryInterval },
    })
    await breakOff(await moor(name('delayed'), delayed('after its delay', 20, 3600)))
    clock.advance(18)
    assert.deepEqual(await watcher.leftovers(), [])
    clock.advance(5)
    assert.deepEqual(await watcher.texts(1), ['after its delay'])

    await breakOff(await moor(name('delayed'), delayed('at the end of its session', 3600, 20)))
    clock.advance(18)
    assert.deepEqual(await watcher.leftovers(), [])
    clock.advance(5)
    assert.deepEqual(await watcher.texts(1), ['at the end of its session'])

    await breakOff(await moor(name('delayed'), delayed('without a session to wait in', 3600, 0)))
    assert.deepEqual(await watcher.texts(1), ['without a session to wait in'])

    const id = name('delayed')
    await breakOff(await moor(id, delayed('at a clean start', 3600, 3600)))
    assert.deepEqual(await watcher.leftovers(), [])
    await moor(id, { clean: true })
    assert.deepEqual(await watcher.texts(1), ['at a clean start'])
    assert.deepEqual(await watcher.leftovers(), [])
  },
)

statement(['5.0 [MQTT-3.1.3-9]'], 'a client that is back before the delay of its will has passed takes the will along', async (bench) => {
  const { name, moor } = bench
  const topic = name('in-time')
  const watcher = await watcherOf(bench, topic)
  const id = name('in-time')
  const delayed = lasting(5, { will: { ...willOf(topic, 'too late'), properties: { willDelayInterval: 30 } } })
  await breakOff(await moor(id, delayed))
  clock.advance(20)
  const second = await moor(id, lasting(5))
  assert.equal(second.connack.sessionPresent, true)
  clock.advance(60)
  assert.deepEqual(await watcher.leftovers(), [])
  await second.leave()

  const online = await moor(id, delayed)
  const third = await moor(id, lasting(5)) // takes over, so the old connection ends without a DISCONNECT
  await online.closed
  clock.advance(60)
  assert.deepEqual(await watcher.leftovers(), [])
  await third.leave()
  assert.deepEqual(await watcher.leftovers(), [])
})

statement(
  ['5.0 [MQTT-3.1.2-9]', '3.1.1 [MQTT-3.1.2-9]'],
  'the will flag without a will topic or a will payload ends the connection',
  async ({ name, dial, version }) => {
    const id = text(name('incomplete'))
    const none = noProperties(version)
    const payloads = [
      id,
      `${id} ${none} ${text('topic')}`,
      ...(version === 5 ? [`${id} {}`, `${id} ${text('topic')} ${text('payload')}`] : []),
    ]
    for (const payload of payloads) {
      const client = await dial()
      client.sendBytes(connectBytes(version, clean | will, payload))
      await turnedAway(client, 0x81)
    }
  },
)

statement(
  ['3.1.1 [MQTT-3.1.2-11]'],
  'without the will flag, will fields in the payload end the connection, and so do the other flags of the will',
  async ({ name, dial }) => {
    const id = text(name('flagless'))
    const rows: [flags: number, payload: string][] = [
      [clean, `${id} ${willFields(4, 'topic', 'payload')}`],
      [clean | qos1, id],
      [clean | qos2, `${id} ${willFields(4, 'topic', 'payload')}`],
      [clean | retain, id],
      [clean | retain | qos1, `${id} ${willFields(4, 'topic', 'payload')}`],
    ]
    for (const [flags, payload] of rows) {
      const client = await dial()
      client.sendBytes(connectBytes(4, flags, payload))
      await turnedAway(client)
    }
  },
)

statement(
  ['5.0 [MQTT-3.1.2-11]', '3.1.1 [MQTT-3.1.2-13]'],
  'a will QoS without the will flag ends the connection',
  async ({ name, dial, version }) => {
    for (const flags of [qos1, qos2, qos1 | qos2]) {
      const client = await dial()
      client.sendBytes(connectBytes(version, clean | flags, text(name('no-will'))))
      await turnedAway(client, 0x81)
    }
  },
)

statement(
  ['5.0 [MQTT-3.1.2-12]', '3.1.1 [MQTT-3.1.2-14]'],
  'a will at QoS 0, 1 or 2 is published at that QoS; QoS 3 ends the connection',
  async (bench) => {
    const { name, moor, dial, version } = bench
    const topic = name('will-qos')
    const watcher = await watcherOf(bench, topic)
    for (const qos of [0, 1, 2] as const) {
      await breakOff(await moor(name('will-qos'), { will: willOf(topic, `at ${qos}`, qos) }))
      const [message] = await watcher.messages(1)
      assert.deepEqual([message?.payload.toString(), message?.qos], [`at ${qos}`, qos])
    }
    const client = await dial()
    client.sendBytes(connectBytes(version, clean | will | qos1 | qos2, `${text(name('will-qos'))} ${willFields(version, topic, 'at 3')}`))
    await turnedAway(client, 0x81)
    assert.deepEqual(await watcher.leftovers(), [])
  },
)

statement(
  ['5.0 [MQTT-3.1.2-13]', '3.1.1 [MQTT-3.1.2-15]'],
  'will retain without the will flag ends the connection',
  async ({ name, dial, version }) => {
    const client = await dial()
    client.sendBytes(connectBytes(version, clean | retain, text(name('no-will'))))
    await turnedAway(client, 0x81)
  },
)

statement(
  ['5.0 [MQTT-3.1.2-14]', '3.1.1 [MQTT-3.1.2-16]'],
  'a will without will retain is published as a message that is not retained',
  async (bench) => {
    const { name, moor } = bench
    const topic = name('passing')
    const watcher = await watcherOf(bench, topic)
    await watcher.publish(topic, 'retained before', { qos: 1, retain: true })
    await watcher.messages(1)
    await breakOff(await moor(name('passing'), { will: willOf(topic, 'passing', 1, false) }))
    const [message] = await watcher.messages(1)
    assert.deepEqual([message?.payload.toString(), message?.retain], ['passing', false])
    const late = await watcherOf(bench, topic)
    assert.deepEqual(await late.texts(1), ['retained before'])
    assert.deepEqual(await late.leftovers(), [])
  },
)

statement(['5.0 [MQTT-3.1.2-15]', '3.1.1 [MQTT-3.1.2-17]'], 'a will with will retain is published as a retained message', async (bench) => {
  const { name, moor, version } = bench
  const topic = name('staying')
  const watcher = await watcherOf(bench, topic)
  await breakOff(await moor(name('staying'), { will: willOf(topic, 'staying', 1, true) }))
  const [message] = await watcher.messages(1)
  // The flag as it was published is seen with Retain As Published, which 3.1.1 does not have.
  assert.deepEqual([message?.payload.toString(), message?.retain], ['staying', version === 5])
  const late = await watcherOf(bench, topic)
  const [kept] = await late.messages(1)
  assert.deepEqual([kept?.payload.toString(), kept?.retain, kept?.qos], ['staying', true, 1])
})

statement(['5.0 [MQTT-3.1.3-10]'], 'the User Properties of a will keep their order', async (bench) => {
  const { name, dial } = bench
  const topic = name('ordered')
  const watcher = await watcherOf(bench, topic)
  const pairs = [
    ['z', 'first'],
    ['a', 'second'],
    ['z', 'third'],
    ['m', ''],
    ['a', 'fifth'],
  ]
  const block = pairs.map((pair) => `26 ${pair.map(text).join(' ')}`)
  block.splice(2, 0, `03 ${text('text/plain')}`) // other properties stand between them
  const heard = heardBy(watcher)
  const client = await dial()
  client.sendBytes(connectBytes(5, clean | will, `${text(name('ordered'))} {${block.join(' ')}} ${text(topic)} ${text('payload')}`))
  await client.next('connack')
  client.pullCable()
  await watcher.next('publish')
  const places = pairs.map((pair) => heard().indexOf(`26${pair.map(text).join('')}`))
  assert.ok(!places.includes(-1))
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  )
})

statement(
  ['5.0 [MQTT-3.1.3-11]', '3.1.1 [MQTT-3.1.3-10]'],
  'a will topic that is not a string of MQTT ends the connection',
  async ({ name, dial, version }) => {
    for (const hex of ['c328', 'eda080', '6100']) {
      const client = await dial()
      const fields = `${text(name('ill-formed'))} ${noProperties(version)} ${binary(hex)} ${text('payload')}`
      client.sendBytes(connectBytes(version, clean | will, fields))
      await turnedAway(client, 0x81)
    }
  },
)

statement(
  ['5.0 [MQTT-3.1.3-1]', '3.1.1 [MQTT-3.1.3-1]'],
  'the fields of the payload are read in their order: client identifier, will, user name, password',
  async (bench) => {
    const { name, dial, moor, version } = bench
    const [id, topic] = [name('fields'), name('fields')]
    const watcher = await watcherOf(bench, topic)
    const client = await dial()
    const fields = `${text(id)} ${willFields(version, topic, 'the payload')} ${text('the user')} ${text(secret)}`
    client.sendBytes(connectBytes(version, clean | will | qos1 | username | password, fields))
    await client.next('connack')
    // The first field is the identifier, or this would not end the first connection; the last is the password, or it would not be let in.
    await moor(id, { username: 'the user', password: Buffer.from(secret) })
    await client.closed
    const [message] = await watcher.messages(1)
    assert.deepEqual([message?.topic, message?.payload.toString(), message?.qos], [topic, 'the payload', 1])

    // In another order the third field, a payload that is not UTF-8, would be the user name, and the user name the payload.
    const notText = await dial()
    const swapped = `${text(name('fields'))} ${noProperties(version)} ${text(topic)} ${text('the user')} ${binary('c328')} ${text('x')}`
    notText.sendBytes(connectBytes(version, clean | will | username | password, swapped))
    await turnedAway(notText)
  },
)

// Shared subscriptions: section 4.8.2 of MQTT 5. What 3.1.1 says in its chapter 4.8 is about errors, in 4.9-flow-errors.test.ts.
import assert from 'node:assert/strict'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile, mourner, type TestClient } from '../../kit/mqtt.ts'
import { lasting } from '../../kit/packets.ts'
import { type Bench, statementsOf } from '../../kit/statements.ts'

const clock = new HandClock()
const statement = statementsOf(await hubOfFile(clock), clock)

const aMinute = lasting(5, {}, 60)

/**
 * A member of a group, alone when the messages come, who answers none of them; and another, who comes when they are on their way. The hub
 * has noticed that the first is gone once `lost()` returns.
 */
async function broken({ t, hub, moor, name }: Bench, qos: 1 | 2, texts: readonly string[]) {
  const topic = name('t')
  const id = name('member')
  const { will, gone } = await mourner(t, hub, id)
  const member = await moor(id, { ...aMinute, will })
  member.answers = false
  await member.subscribe(`$share/g/${topic}`, { qos })
  const publisher = await moor(name('publisher'))
  for (const text of texts) await publisher.publish(topic, text, { qos })
  const sent = await member.messages(texts.length)
  const other = await moor(name('other'))
  await other.subscribe(`$share/g/${topic}`, { qos })
  const lost = async () => {
    member.pullCable()
    await gone()
  }
  return { id, topic, member, sent, publisher, other, lost }
}

statement(
  ['5.0 [MQTT-4.8.2-1]'],
  'a subscription is shared when its filter begins with $share/ and a share name of at least one character, and only then',
  async ({ moor, name }) => {
    const topic = name('t')
    const clients = [await moor(name('one')), await moor(name('two'))]
    const publisher = await moor(name('publisher'))
    const copies = async (filter: string, published = topic) => {
      for (const client of clients) assert.deepEqual((await client.subscribe(filter, { qos: 1 })).granted, [1], filter)
      for (let at = 0; at < 10; at++) await publisher.publish(published, `${at}`, { qos: 1 })
      const counts = []
      for (const client of clients) {
        counts.push((await client.takenTexts()).length)
        await client.unsubscribe(filter)
      }
      return counts
    }
    const sum = ([one = 0, two = 0]: number[]) => one + two
    for (const shareName of ['g', '1', ' ', '温', '$share', 'x'.repeat(200)])
      assert.equal(sum(await copies(`$share/${shareName}/${topic}`)), 10)
    for (const prefix of ['share/g', '/$share/g', 'x$share/g', 'x/$share/g']) {
      assert.deepEqual(await copies(`${prefix}/${topic}`, `${prefix}/${topic}`), [10, 10], `${prefix} is a topic like any other`)
    }
    for (const filter of [`$share//${topic}`, '$share//', '$share//#']) {
      assert.deepEqual((await publisher.subscribe(filter)).granted, [0x8f], filter)
    }
    await publisher.publish(topic, 'x', { qos: 1 })
    assert.deepEqual(await publisher.leftovers(), [])
  },
)

statement(
  ['5.0 [MQTT-4.8.2-2]'],
  'a share name has no wildcard and ends at the next slash, behind which stands a filter that may have any form',
  async ({ moor, name }) => {
    const client = await moor(name('member'))
    const bad = [
      '$share/+/a',
      '$share/#/a',
      '$share/a+b/a',
      '$share/g#/a',
      '$share/g',
      '$share/',
      '$share/g/',
      '$share/#',
      '$share/g/a#',
      '$share/g/b+',
    ]
    for (const filter of bad) assert.deepEqual((await client.subscribe(filter)).granted, [0x8f], filter)
    const topic = name('t')
    for (const [filter, published] of [
      [`$share/g/${topic}`, topic],
      [`$share/g//${topic}`, `/${topic}`],
      [`$share/g/${topic}/#`, `${topic}/a/b`],
      [`$share/g/+/${topic}`, `x/${topic}`],
      [`$share/g/${topic}/`, `${topic}/`],
    ] as const) {
      assert.deepEqual((await client.subscribe(filter)).granted, [0], filter)
      await client.publish(published, filter)
      assert.deepEqual(await client.takenTexts(), [filter])
      await client.unsubscribe(filter)
    }
    await client.subscribe('$share/g/#')
    await client.publish(topic, 'all')
    assert.deepEqual(await client.takenTexts(), ['all'])
  },
)

statement(
  ['5.0 [MQTT-4.8.2-3]'],
  'each member gets messages at the QoS that was granted to it, whatever the others have',
  async ({ moor, name }) => {
    const topic = name('t')
    const publisher = await moor(name('publisher'))
    const members: TestClient[] = []
    for (const qos of [0, 1, 2] as const) {
      const member = await moor(name(`member-${qos}`))
      assert.deepEqual((await member.subscribe(`$share/g/${topic}`, { qos })).granted, [qos])
      members.push(member)
    }
    for (const published of [0, 1, 2] as const) {
      for (let at = 0; at < 9; at++) await publisher.publish(topic, `${at}`, { qos: published })
      let count = 0
      for (const [granted, member] of members.entries()) {
        const messages = await member.taken()
        count += messages.length
        assert.ok(messages.length > 0, 'each has had some of them')
        assert.ok(messages.every(({ qos }) => qos === Math.min(granted, published)))
      }
      assert.equal(count, 9)
    }
  },
)

statement(
  ['5.0 [MQTT-4.8.2-4]'],
  'a delivery at QoS 2 that was broken off goes on with the same member when it comes back, from where it stood',
  async (bench) => {
    const { id, member, sent, other, lost } = await broken(bench, 2, ['sent', 'received', 'done'])
    const [first, second, third] = sent
    for (const { messageId } of [second!, third!]) {
      member.acknowledge('pubrec', messageId)
      assert.equal((await member.next('pubrel')).messageId, messageId)
    }
    member.acknowledge('pubcomp', third?.messageId)
    await member.ping()
    await lost()
    assert.deepEqual(await other.takenTexts(), [], 'while it is away, none goes to another')

    const back = await bench.moor(id, aMinute)
    back.answers = false
    assert.equal((await back.next('pubrel')).messageId, second?.messageId)
    const again = await back.next('publish')
    assert.deepEqual([again.payload.toString(), again.messageId, again.qos, again.dup], ['sent', first?.messageId, 2, true])
    back.acknowledge('pubrec', first?.messageId)
    assert.equal((await back.next('pubrel')).messageId, first?.messageId)
    for (const { messageId } of [first!, second!]) back.acknowledge('pubcomp', messageId)
    assert.deepEqual(await back.takenTexts(), [])
    assert.deepEqual(await other.takenTexts(), [])
  },
)

statement(
  ['5.0 [MQTT-4.8.2-5]'],
  'a message at QoS 2 that was begun with a member goes to no other when the session of that member ends',
  async (bench) => {
    const endings = {
      'its time is up': () => clock.advance(62),
      'it begins anew': async (id: string) => {
        await bench.moor(id, { clean: true })
      },
    }
    for (const [how, end] of Object.entries(endings)) {
      const { id, topic, member, sent, publisher, other, lost } = await broken(bench, 2, ['sent', 'received'])
      member.acknowledge('pubrec', sent[1]?.messageId)
      await member.next('pubrel')
      await lost()
      await end(id)
      assert.deepEqual(await other.takenTexts(), [], how)
      const late = await bench.moor(bench.name('late'))
      await late.subscribe(`$share/g/${topic}`, { qos: 2 })
      await publisher.publish(topic, 'next', { qos: 2 })
      assert.deepEqual([...(await other.takenTexts()), ...(await late.takenTexts())], ['next'], 'and the group goes on')
    }
  },
)

statement(
  ['5.0 [MQTT-4.8.2-6]'],
  'a message that a member refuses with PUBACK or PUBREC is discarded: no other gets it, and neither does it again',
  async (bench) => {
    for (const qos of [1, 2] as const) {
      for (const reasonCode of [0x80, 0x83, 0x87, 0x90, 0x97, 0x99]) {
        const { id, member, sent, other, lost } = await broken(bench, qos, ['refused'])
        const cmd = qos === 1 ? 'puback' : 'pubrec'
        member.acknowledge(cmd, sent[0]?.messageId, reasonCode)
        await member.settle()
        assert.deepEqual(member.unread, [], 'no PUBREL either')
        assert.deepEqual(await other.takenTexts(), [], 'at once')
        await lost()
        const back = await bench.moor(id, aMinute)
        assert.equal(back.connack.sessionPresent, true)
        assert.deepEqual(await back.takenTexts(), [], 'when it comes back')
        await back.leave(0, { sessionExpiryInterval: 0 })
        assert.deepEqual(await other.takenTexts(), [], 'when it is forgotten')
      }
    }
  },
)

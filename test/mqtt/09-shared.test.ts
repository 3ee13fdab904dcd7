// Shared subscriptions: MQTT 5 section 4.8.2. Clients of 3.1.1 may share too, as with other brokers.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { dial, hubOfFile, moor, mourner, type TestClient } from '../kit/mqtt.ts'
import { counted } from '../kit/numbers.ts'
import { lasting, textOf } from '../kit/packets.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)

/** Publishes the numbers from `from` on, in lots that fit every window, and comes back once the hub has handed them all on. */
async function count(publisher: TestClient, topic: string, from: number, to: number, qos: 0 | 1 | 2 = 1): Promise<void> {
  for (let at = from; at < to; at += 30) {
    const lot = Array.from({ length: Math.min(30, to - at) }, (_, next) => publisher.publish(topic, `${at + next}`, { qos }))
    await Promise.all(lot)
  }
  await publisher.ping()
}

const inOrder = (texts: readonly string[]) => [...texts].sort((a, b) => Number(a) - Number(b))

for (const version of [4, 5] as const) {
  const of = `(MQTT level ${version})`
  const base = `09/${version}`
  const named = (name: string) => `${name}-${version}`

  /** Members of the group `g` on one topic below `base`, and somebody who publishes to it. */
  async function groupOf(t: TestContext, topic: string, size: number, qos: 0 | 1 | 2 = 1) {
    const members: TestClient[] = []
    for (let at = 0; at < size; at++) {
      const member = await moor(t, hub, named(`${topic} ${at}`), version)
      assert.deepEqual((await member.subscribe(`$share/g/${base}/${topic}`, { qos })).granted, [qos])
      members.push(member)
    }
    return { members, publisher: await moor(t, hub, named(`${topic} out`), version), topic: `${base}/${topic}` }
  }

  for (const qos of [0, 1, 2] as const) {
    test(`300 messages at QoS ${qos} reach three members, each message one of them, a hundred each ${of}`, async (t) => {
      const { members, publisher, topic } = await groupOf(t, `fair-${qos}`, 3, qos)
      await count(publisher, topic, 0, 300, qos)
      const lists = await Promise.all(members.map((member) => member.takenTexts()))
      for (const list of lists) {
        assert.equal(list.length, 100)
        assert.deepEqual(list, inOrder(list), 'each member in the order they came')
      }
      assert.deepEqual(inOrder(lists.flat()), counted(0, 300))
    })
  }

  test(`two groups on one filter each get every message, and so does who subscribes without a group ${of}`, async (t) => {
    const { members, publisher, topic } = await groupOf(t, 'two', 2)
    const others = [await moor(t, hub, named('two h'), version), await moor(t, hub, named('two h2'), version)]
    for (const other of others) await other.subscribe(`$share/h/${topic}`, { qos: 1 })
    const single = await moor(t, hub, named('two single'), version)
    await single.subscribe(topic, { qos: 1 })
    await count(publisher, topic, 0, 60)
    assert.deepEqual(inOrder((await Promise.all(members.map((member) => member.takenTexts()))).flat()), counted(0, 60))
    assert.deepEqual(inOrder((await Promise.all(others.map((member) => member.takenTexts()))).flat()), counted(0, 60))
    assert.deepEqual(await single.takenTexts(), counted(0, 60))
  })

  test(`a client that shares a filter and also subscribes to it gets both copies ${of}`, async (t) => {
    const { members, publisher, topic } = await groupOf(t, 'both', 1)
    await members[0]?.subscribe(topic, { qos: 0 })
    await publisher.publish(topic, 'x', { qos: 1 })
    const copies = await members[0]!.taken()
    assert.deepEqual(copies.map(({ qos }) => qos).sort(), [0, 1])
    await members[0]?.unsubscribe(topic)
    await publisher.publish(topic, 'y', { qos: 1 })
    assert.deepEqual(await members[0]!.takenTexts(), ['y'], 'the share goes on')
  })

  // 5: [MQTT-4.8.2-3]
  test(`each member gets messages at the QoS of its own subscription ${of}`, async (t) => {
    const topic = `${base}/qos`
    const publisher = await moor(t, hub, named('qos out'), version)
    const members: TestClient[] = []
    for (const qos of [0, 1, 2] as const) {
      const member = await moor(t, hub, named(`qos ${qos}`), version)
      await member.subscribe(`$share/g/${topic}`, { qos })
      members.push(member)
    }
    await count(publisher, topic, 0, 6, 2)
    for (const [at, member] of members.entries()) {
      const messages = await member.taken()
      assert.deepEqual(
        messages.map(({ qos, dup }) => [qos, dup]),
        [
          [at, false],
          [at, false],
        ],
      )
    }
    await members[2]?.subscribe(`$share/g/${topic}`, { qos: 0 }) // the same share again: its QoS changes, its place does not double
    await count(publisher, topic, 0, 6, 2)
    assert.deepEqual(
      (await members[2]!.taken()).map(({ qos }) => qos),
      [0, 0],
    )
  })

  test(`wildcards in a shared filter mean what they mean elsewhere ${of}`, async (t) => {
    const member = await moor(t, hub, named('wild'), version)
    for (const filter of [`${base}/wild/+/x`, `${base}/wild/#`]) await member.subscribe(`$share/g/${filter}`)
    await member.subscribe(`$share/g//${base}/wild`)
    for (const topic of ['wild', 'wild/a', 'wild/a/x', 'tame']) await member.publish(`${base}/${topic}`, '')
    await member.publish(`/${base}/wild`, '')
    assert.deepEqual(
      (await member.taken()).map(({ topic }) => topic),
      [`${base}/wild`, `${base}/wild/a`, `${base}/wild/a/x`, `${base}/wild/a/x`, `/${base}/wild`],
    )
  })

  // 5: section 3.8.4
  test(`a retained message is not sent to a member that joins; new ones come, without the flag ${of}`, async (t) => {
    const topic = `${base}/kept`
    const publisher = await moor(t, hub, named('kept out'), version)
    await publisher.publish(topic, 'before', { qos: 1, retain: true })
    const member = await moor(t, hub, named('kept'), version)
    for (const rh of version === 5 ? [0, 1] : [0]) await member.subscribe(`$share/g/${topic}`, { qos: 1, rh })
    assert.deepEqual(await member.takenTexts(), [])
    await publisher.publish(topic, 'after', { qos: 1, retain: true })
    assert.deepEqual(
      (await member.taken()).map(({ payload, retain }) => [payload.toString(), retain]),
      [['after', false]],
    )
  })

  test(`who unsubscribes gets nothing more by the group, and the others get it all ${of}`, async (t) => {
    const { members, publisher, topic } = await groupOf(t, 'unsubscribe', 2)
    const [first, second] = members as [TestClient, TestClient]
    await first.subscribe(`$share/h/${topic}`, { qos: 1 })
    const { granted } = await first.unsubscribe(`$share/g/${topic}`, topic, `$share/i/${topic}`)
    if (version === 5) assert.deepEqual(granted, [0x00, 0x11, 0x11])
    await count(publisher, topic, 0, 10)
    assert.deepEqual(await first.takenTexts(), counted(0, 10), 'the other group of this member is its own')
    assert.deepEqual(await second.takenTexts(), counted(0, 10))
    await second.unsubscribe(`$share/g/${topic}`)
    await first.unsubscribe(`$share/h/${topic}`)
    await count(publisher, topic, 0, 10)
    assert.deepEqual([await first.takenTexts(), await second.takenTexts()], [[], []])
  })

  test(`an absent member is given messages only while no other is there ${of}`, async (t) => {
    const topic = `${base}/absent`
    const publisher = await moor(t, hub, named('absent out'), version)
    const absent = await moor(t, hub, named('absent'), version, lasting(version, {}, 60))
    await absent.subscribe(`$share/g/${topic}`, { qos: 1 })
    await absent.leave()
    const present = await moor(t, hub, named('present'), version)
    await present.subscribe(`$share/g/${topic}`, { qos: 1 })
    await count(publisher, topic, 0, 20)
    assert.deepEqual(await present.takenTexts(), counted(0, 20))
    await present.leave()
    await count(publisher, topic, 20, 25)
    await publisher.publish(topic, 'at QoS 0, which nobody keeps') // counted as dropped: test/routing
    const back = await moor(t, hub, named('absent'), version, lasting(version, {}, 60))
    assert.deepEqual(await back.takenTexts(), counted(20, 25))
  })

  test(`a member that stops reading holds up nobody: the others get all but its window ${of}`, async (t) => {
    const { members, publisher, topic } = await groupOf(t, 'frozen', 3)
    const [frozen, ...healthy] = members as [TestClient, TestClient, TestClient]
    frozen.socket.pause()
    await count(publisher, topic, 0, 600)
    const others = (await Promise.all(healthy.map((member) => member.takenTexts()))).flat()
    assert.equal(others.length, 600 - limits.inflightMessages)
    frozen.socket.resume()
    const late = await frozen.takenTexts()
    assert.deepEqual(inOrder([...late, ...others]), counted(0, 600))
  })

  // 5: section 4.8.2, what becomes of a message at QoS 1 when the session of its receiver ends.
  const endings: Record<string, (t: TestContext, name: string, member: TestClient, gone: () => Promise<unknown>) => Promise<void>> = {
    'says goodbye': (_t, _name, member) => member.leave(),
    'vanishes, and its session was to end with the connection': async (_t, _name, member, gone) => {
      member.pullCable()
      await gone()
    },
    'begins anew': async (t, name) => {
      await moor(t, hub, name, version)
    },
  }
  for (const [how, end] of Object.entries(endings)) {
    test(`what a member had not acknowledged goes to another, in order, when it ${how} ${of}`, async (t) => {
      const topic = `${base}/ends/${how.length}`
      const publisher = await moor(t, hub, named(`ends out ${how}`), version)
      const name = named(`ends ${how}`)
      const { will, gone } = await mourner(t, hub, name)
      const member = await moor(t, hub, name, version, { will })
      member.answers = false
      await member.subscribe(`$share/g/${topic}`, { qos: 1 })
      await member.subscribe(`${topic}/own`, { qos: 1 })
      const most = limits.inflightMessages + 20 // so that some wait in its outbox
      await count(publisher, topic, 0, most)
      await publisher.publish(`${topic}/own`, 'its own', { qos: 1 })
      const [first] = await member.messages(1)
      member.acknowledge('puback', first?.messageId)
      await member.ping()
      const other = await moor(t, hub, named(`ends other ${how}`), version)
      await other.subscribe(`$share/g/${topic}`, { qos: 1 })
      assert.deepEqual(await other.takenTexts(), [])
      await end(t, name, member, gone)
      const passedOn = await other.messages(most - 1)
      assert.deepEqual(passedOn.map(textOf), counted(1, most))
      assert.ok(passedOn.every(({ dup }) => !dup)) // 5: [MQTT-3.3.1-2], to this client it is new
      assert.deepEqual(await other.takenTexts(), [])
    })
  }

  test(`what an absent member was sent and is owed waits for it, and goes to another when it is forgotten ${of}`, async (t) => {
    const topic = `${base}/forgotten`
    const publisher = await moor(t, hub, named('forgotten out'), version)
    const member = await moor(t, hub, named('forgotten'), version, lasting(version, {}, 60))
    member.answers = false
    await member.subscribe(`$share/g/${topic}`, { qos: 1 })
    await count(publisher, topic, 0, 3)
    await member.leave()
    await count(publisher, topic, 3, 5)
    const other = await moor(t, hub, named('forgotten other'), version)
    await other.subscribe(`$share/g/${topic}`, { qos: 1 })
    await count(publisher, topic, 5, 7)
    assert.deepEqual(await other.takenTexts(), ['5', '6'])
    const back = await dial(t, hub, version)
    back.answers = false
    await back.connect(named('forgotten'), lasting(version, {}, 60))
    assert.deepEqual(
      (await back.taken()).map(({ payload, dup }) => [payload.toString(), dup]),
      counted(0, 5).map((text) => [text, Number(text) < 3]),
    ) // 5: [MQTT-4.4.0-1]
    await back.leave()
    assert.deepEqual(await other.takenTexts(), [])
    // The week of a session of 3.1.1 is long to turn the clock through, so there it begins anew.
    if (version === 5) clock.advance(62)
    else await moor(t, hub, named('forgotten'), version)
    assert.deepEqual(await other.texts(5), counted(0, 5))
  })

  // 5: [MQTT-4.8.2-4], [MQTT-4.8.2-5]
  test(`what was begun at QoS 2 goes to nobody else; what was not yet begun does ${of}`, async (t) => {
    const topic = `${base}/begun`
    const publisher = await moor(t, hub, named('begun out'), version)
    const member = await moor(t, hub, named('begun'), version)
    member.answers = false
    await member.subscribe(`$share/g/${topic}`, { qos: 2 })
    const begun = limits.inflightMessages
    await count(publisher, topic, 0, begun + 3, 2)
    assert.deepEqual(await member.takenTexts(), counted(0, begun))
    const other = await moor(t, hub, named('begun other'), version)
    await other.subscribe(`$share/g/${topic}`, { qos: 2 })
    await member.leave()
    assert.deepEqual(await other.texts(3), counted(begun, begun + 3))
    assert.deepEqual(await other.takenTexts(), [])
  })
}

test('in MQTT 5 CONNACK does not say that shared subscriptions are missing', async (t) => {
  const { connack } = await moor(t, hub, 'asks', 5)
  assert.equal(connack.properties?.sharedSubscriptionAvailable, undefined) // absent means available, section 3.2.2.3.13
})

test('in MQTT 5 a message brings the identifier of the subscription of the member that gets it', async (t) => {
  const publisher = await moor(t, hub, 'id-out', 5)
  const [first, second] = [await moor(t, hub, 'id-1', 5), await moor(t, hub, 'id-2', 5)]
  await first.subscribe('$share/g/09/id', { qos: 1, subscriptionIdentifier: 7 })
  await second.subscribe('$share/g/09/id', { qos: 1 })
  await second.subscribe('09/id', { subscriptionIdentifier: 9 })
  await count(publisher, '09/id', 0, 2)
  assert.deepEqual(
    (await first.taken()).map(({ properties }) => properties?.subscriptionIdentifier),
    [7],
  ) // [MQTT-3.3.4-3]
  const identifiers = (await second.taken()).map(({ qos, properties }) => [qos, properties?.subscriptionIdentifier])
  assert.deepEqual(identifiers.sort(), [
    [0, 9],
    [0, 9],
    [1, undefined],
  ])
})

test('in MQTT 5 a member that asked for it sees the RETAIN flag as it was published', async (t) => {
  const member = await moor(t, hub, 'rap', 5)
  await member.subscribe('$share/g/09/rap', { rap: true })
  await member.publish('09/rap', 'x', { retain: true, qos: 1 })
  assert.equal((await member.next('publish')).retain, true) // [MQTT-3.3.1-13]
})

// [MQTT-4.8.2-6]
test('in MQTT 5 a message that a member refuses is offered to nobody else', async (t) => {
  const { will, gone } = await mourner(t, hub, 'refuses')
  const publisher = await moor(t, hub, 'refuses-out', 5)
  const member = await moor(t, hub, 'refuses', 5, { will })
  member.answers = false
  await member.subscribe('$share/g/09/refuses', { qos: 2 })
  await publisher.publish('09/refuses', 'one', { qos: 1 })
  await publisher.publish('09/refuses', 'two', { qos: 2 })
  const [one, two] = await member.messages(2)
  member.acknowledge('puback', one?.messageId, 0x83)
  member.acknowledge('pubrec', two?.messageId, 0x83)
  await member.ping()
  const other = await moor(t, hub, 'refuses-other', 5)
  await other.subscribe('$share/g/09/refuses', { qos: 2 })
  member.pullCable()
  await gone()
  assert.deepEqual(await other.takenTexts(), [])
})

test('members of different versions share alike', async (t) => {
  const members = await Promise.all(([3, 4, 5] as const).map((version) => moor(t, hub, `mixed-${version}`, version)))
  for (const member of members) await member.subscribe('$share/g/09/mixed', { qos: 1 })
  const publisher = await moor(t, hub, 'mixed-out', 4)
  await count(publisher, '09/mixed', 0, 90)
  const lists = await Promise.all(members.map((member) => member.takenTexts()))
  assert.deepEqual(
    lists.map((list) => list.length),
    [30, 30, 30],
  )
  assert.deepEqual(inOrder(lists.flat()), counted(0, 90))
})

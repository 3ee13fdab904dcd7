// Shared subscriptions, MQTT 5 section 4.8.2: whom a group gives a message to, whoever came and went before.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { Message, QoS } from '../../devices/message.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { type Member, type Membership, SharedGroup, sharedFilterOf, standing } from '../../hub/routing/shared-group.ts'
import { type Match, type Subscription, TopicTree } from '../../hub/routing/topic-tree.ts'
import { anybody } from '../kit/principals.ts'
import { makeSessions, silentWire } from '../kit/sessions.ts'
import { matches, topicFilter, topicName } from './naive.ts'

/** Stands as it is told and writes down what it gets. */
class Fake implements Member {
  readonly clientId: string
  readonly lasts = false
  stands: number = standing.free
  readonly got: { message: Message; match: Match }[] = []
  readonly asked: QoS[] = []

  constructor(clientId: string) {
    this.clientId = clientId
  }

  standing(message: Message, subscribed: QoS): number {
    this.asked.push(message.qos < subscribed ? message.qos : subscribed)
    return this.stands
  }
  deliverShared(message: Message, match: Match): void {
    this.got.push({ message, match })
  }
  deliver(): void {
    assert.fail('a member gets nothing but by its group')
  }
}

function membership(subscriber: Member, options: Partial<Subscription> = {}): Membership {
  return { filter: '$share/g/a', qos: 0, noLocal: false, retainAsPublished: false, identifiers: undefined, ...options, subscriber }
}

const message: Message = {
  seq: 1,
  topic: 'a',
  payload: Buffer.alloc(0),
  qos: 1,
  retain: false,
  properties: undefined,
  atMs: 0,
  expiresAtMs: Number.POSITIVE_INFINITY,
  from: undefined,
}

const names = ['a', 'b', 'c', 'd', 'e'] as const
type Name = (typeof names)[number]

type Step = readonly ['join' | 'leave', Name] | readonly ['stands', Name, number] | readonly ['message']

/** The rules written down once more, with names and no places: who is next, and who stands best from there on. */
class Naive {
  order: Name[] = []
  next: Name | undefined
  readonly stands = new Map<Name, number>(names.map((name) => [name, standing.free]))

  join(name: Name): void {
    if (!this.order.includes(name)) this.order.push(name)
    this.next ??= name
  }

  leave(name: Name): void {
    if (this.next === name) this.next = this.after(name)
    if (this.next === name) this.next = undefined
    this.order = this.order.filter((other) => other !== name)
  }

  after(name: Name): Name {
    return this.order[(this.order.indexOf(name) + 1) % this.order.length] as Name
  }

  message(): Name | undefined {
    if (this.next === undefined) return undefined
    const from = this.order.indexOf(this.next)
    const inTurn = [...this.order.slice(from), ...this.order.slice(0, from)]
    const best = Math.min(...inTurn.map((name) => this.stands.get(name) as number))
    const chosen = inTurn.find((name) => this.stands.get(name) === best) as Name
    this.next = this.after(chosen)
    return chosen
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constantFrom('join', 'leave'), fc.constantFrom(...names)),
  fc.tuple(
    fc.constant('stands'),
    fc.constantFrom(...names),
    fc.constantFrom(standing.free, standing.online, standing.online + 1, standing.away, standing.away + 7, standing.full, standing.never),
  ),
  fc.tuple(fc.constant('message')),
)

test('a group gives each message to the one that the rules name, whoever joined, left, came and went', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const group = new SharedGroup('$share/g/a')
      const naive = new Naive()
      const fakes = new Map(names.map((name) => [name, new Fake(name)]))
      let delivered = 0
      for (const [what, name, stands] of steps) {
        if (what === 'message') {
          const expected = naive.message()
          const before = expected === undefined ? 0 : (fakes.get(expected)?.got.length ?? 0)
          assert.equal(group.deliver(message), expected !== undefined)
          if (expected !== undefined) {
            delivered++
            assert.equal(fakes.get(expected)?.got.length, before + 1, `${expected} is the one`)
          }
          continue
        }
        const fake = fakes.get(name) as Fake
        if (what === 'join') assert.equal(group.join(membership(fake)), !naive.order.includes(name))
        if (what === 'leave') assert.equal(group.leave(fake), naive.order.includes(name))
        if (what === 'stands') fake.stands = stands
        if (what === 'stands') naive.stands.set(name, stands)
        else naive[what](name)
        assert.equal(group.size, naive.order.length)
      }
      const got = [...fakes.values()].reduce((sum, fake) => sum + fake.got.length, 0)
      assert.equal(got, delivered, 'each message once')
    }),
    { numRuns: 3000 },
  )
})

test('members that are all free get the same number of messages', () => {
  const group = new SharedGroup('$share/g/a')
  const fakes = names.map((name) => new Fake(name))
  for (const fake of fakes) group.join(membership(fake))
  for (let count = 0; count < 100; count++) group.deliver(message)
  assert.deepEqual(
    fakes.map((fake) => fake.got.length),
    names.map(() => 20),
  )
})

test('in a large group the search for a free member ends early, but not with one who is away', () => {
  const deliverAmong = (before: number) => {
    const group = new SharedGroup('$share/g/a')
    const fakes = Array.from({ length: 300 }, (_, at) => new Fake(`m${at}`))
    for (const [at, fake] of fakes.entries()) {
      fake.stands = at < 299 ? before + (at === 7 ? 0 : 1) : standing.free
      group.join(membership(fake))
    }
    group.deliver(message)
    return fakes.findIndex((fake) => fake.got.length > 0)
  }
  assert.equal(deliverAmong(standing.online), 7)
  assert.equal(deliverAmong(standing.away), 299)
  assert.equal(deliverAmong(standing.full), 299)
})

// 5: [MQTT-4.8.2-3]
test('a member is asked about the QoS that it would get, and gets the message by its own wishes', () => {
  const group = new SharedGroup('$share/g/a')
  const [low, high] = [new Fake('low'), new Fake('high')]
  group.join(membership(low, { qos: 0, identifiers: [1] }))
  group.join(membership(high, { qos: 2, identifiers: [2] }))
  group.deliver(message)
  group.deliver(message)
  assert.deepEqual([low.asked, high.asked], [[0], [1]])
  assert.deepEqual([low.got[0]?.match.identifiers, high.got[0]?.match.identifiers], [[1], [2]])
  group.join(membership(low, { qos: 1, identifiers: [3] })) // it changes its mind and keeps its place
  assert.equal(group.size, 2)
  group.deliver(message)
  assert.deepEqual([low.asked.at(-1), low.got[1]?.match.identifiers], [1, [3]])
})

test('the filter of a group is what follows the share name', () => {
  assert.equal(sharedFilterOf('$share/g/a/+/#'), 'a/+/#')
  assert.equal(sharedFilterOf('$share/g//'), '/')
  assert.equal(sharedFilterOf('$share'), undefined)
  assert.equal(sharedFilterOf('a/$share/g/b'), undefined)
})

test('a topic reaches one member of each group whose filter matches, and every ordinary subscription', () => {
  const share = fc.tuple(fc.constantFrom('g', 'h'), topicFilter).map(([name, filter]) => `$share/${name}/${filter}`)
  const filters = fc.uniqueArray(share, { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(filters, topicFilter, topicName, fc.integer({ min: 1, max: 3 }), (filters, ordinary, topic, members) => {
      const tree = new TopicTree()
      const fakes = names.slice(0, members).map((name) => new Fake(name))
      const single: Subscription = { ...membership(fakes[0]!), filter: ordinary }
      tree.add(single)
      for (const filter of filters) for (const fake of fakes) tree.join(membership(fake, { filter }))
      assert.equal(tree.size, 1 + filters.length * members)
      assert.equal(tree.sharedSize, filters.length * members)
      const found = tree.match(topic)
      assert.equal(found.includes(single), matches(ordinary, topic))
      for (const match of found) if (match !== single) match.subscriber.deliver(message, match)
      const heard = fakes.flatMap((fake) => fake.got.map(({ match }) => (match as Subscription).filter))
      const expected = filters.filter((filter) => matches(filter.split('/').slice(2).join('/'), topic))
      assert.deepEqual(heard.sort(), expected.sort())

      for (const filter of filters) for (const fake of fakes) tree.leave(filter, fake)
      tree.remove(single)
      assert.equal(tree.size, 0)
      assert.equal(tree.sharedSize, 0)
      assert.deepEqual(tree.match(topic), [])
    }),
    { numRuns: 1000 },
  )
})

test('who joins or leaves a group that goes on does not make routes look again', () => {
  const tree = new TopicTree()
  const [first, second] = [new Fake('first'), new Fake('second')]
  tree.join(membership(first))
  const { version } = tree
  tree.join(membership(second))
  tree.join(membership(second, { qos: 1 }))
  tree.leave('$share/g/a', first)
  tree.leave('$share/g/a', first) // it is gone already
  tree.leave('$share/other/a', second) // it was never there
  assert.equal(tree.version, version)
  assert.equal(tree.size, 1)
  tree.leave('$share/g/a', second)
  assert.ok(tree.version > version)
})

test('sharedGroupMembers: one more is refused; members may change their wishes, and a place that is left is free', () => {
  const tree = new TopicTree()
  const fakes = Array.from({ length: limits.sharedGroupMembers }, (_, at) => new Fake(`m${at}`))
  for (const fake of fakes) tree.join(membership(fake))
  const late = new Fake('late')
  assert.throws(
    () => tree.join(membership(late)),
    (error) => error instanceof Refusal && error.code === 'too-many-members' && /limits\.sharedGroupMembers/.test(error.message),
  )
  assert.equal(tree.size, limits.sharedGroupMembers)
  tree.join(membership(fakes[7]!, { qos: 1 }))
  tree.join(membership(late, { filter: '$share/h/a' }))
  tree.leave('$share/g/a', fakes[8]!)
  tree.join(membership(late))
  assert.equal(tree.size, limits.sharedGroupMembers + 1)
})

async function makeMembers(t: TestContext) {
  const { store, metrics, router, sessions } = await makeSessions(t, 'memory')
  /** An absent member with a session that lasts. */
  const join = (clientId: string, qos: QoS) => {
    const connection = silentWire()
    const { session } = sessions.open(clientId, connection, { clean: false, expirySeconds: 600, will: undefined, principal: anybody })
    session.subscribe('$share/g/a', { qos, noLocal: false, retainAsPublished: false, identifier: undefined })
    return { session, connection, leave: () => sessions.leave(session, connection, { publishWill: false, why: 'connection-lost' }) }
  }
  const publish = (qos: QoS = 1) => {
    for (const match of router.tree.match('a')) match.subscriber.deliver({ ...message, qos }, match)
  }
  const stored = () => new Promise<void>((resolve) => store.journal.after({ stored: () => resolve(), failed: () => {} }, 0))
  return { sessions, metrics, join, publish, stored }
}

test('a message that no member can be owed is dropped and counted', async (t) => {
  const { metrics, join, publish } = await makeMembers(t)
  const [low, high] = [join('low', 0), join('high', 1)]
  low.leave()
  high.leave()
  publish(0)
  assert.equal(metrics.messagesDropped, 1)
  publish(1) // `low` is not owed it, `high` is
  publish(1)
  assert.deepEqual([low.session.outboxCount, high.session.outboxCount, metrics.messagesDropped], [0, 2, 1])
})

test('a full outbox is passed by while another has room, and a message that fits none is counted once', async (t) => {
  const { metrics, join, publish } = await makeMembers(t)
  const [one, two] = [join('one', 1), join('two', 1)]
  one.leave()
  two.leave()
  for (let count = 0; count < 2 * limits.outboxMessages; count++) publish()
  assert.deepEqual([one.session.outboxCount, two.session.outboxCount], [limits.outboxMessages, limits.outboxMessages])
  assert.equal(metrics.messagesDropped, 0)
  publish()
  assert.equal(metrics.messagesDropped, 1)
})

test('of members that are there and busy, the one with the least waiting is given the message', async (t) => {
  const { join, publish } = await makeMembers(t)
  const [slow, fast] = [join('slow', 1), join('fast', 1)] // each takes one at a time
  for (let count = 0; count < 6; count++) publish()
  assert.deepEqual([slow.session.outboxCount, fast.session.outboxCount], [2, 2])
  for (let id = 1; id <= 2; id++) fast.session.finished(id, 'puback')
  publish()
  publish()
  assert.deepEqual([slow.session.outboxCount, fast.session.outboxCount], [2, 2])
})

test('what the last member was owed ends with it, counted, and leaves no bytes behind', async (t) => {
  const { sessions, metrics, join, publish, stored } = await makeMembers(t)
  const only = join('only', 2)
  publish(1) // sent
  publish(1) // waits
  only.leave()
  publish(0) // nobody's
  sessions.end(only.session)
  assert.deepEqual([metrics.messagesDropped, sessions.outboxBudget.bytes], [3, 0])
  const begun = join('begun', 2)
  publish(2)
  await stored() // sent, and PUBREC does not come
  begun.leave()
  join('other', 2)
  sessions.end(begun.session)
  assert.equal(metrics.messagesDropped, 4) // 5: [MQTT-4.8.2-5]
})

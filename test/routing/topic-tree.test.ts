// Who listens to what: the tree finds exactly those that the words of the specification name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { forSelf, type Subscriber, type Subscription, TopicTree } from '../../hub/routing/topic-tree.ts'
import { matches, topicFilter, topicName } from './naive.ts'

const subscriber = (clientId: string): Subscriber => ({ clientId, deliver: () => {} })

function subscription(filter: string, options: Partial<Subscription> = {}): Subscription {
  return { filter, subscriber: subscriber(filter), qos: 0, noLocal: false, retainAsPublished: false, identifiers: undefined, ...options }
}

const heardBy = (tree: TopicTree, topic: string) => tree.match(topic).map((match) => match.subscriber.clientId)

test('the naive matcher of these tests agrees with the examples of the specification', () => {
  const yes = [
    ['sport/tennis/player1/#', 'sport/tennis/player1'],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon'],
    ['sport/#', 'sport'],
    ['#', 'anything/at/all'],
    ['sport/+', 'sport/'],
    ['+/+', '/finance'],
    ['/+', '/finance'],
    ['$SYS/#', '$SYS/monitor/Clients'],
    ['$SYS/monitor/+', '$SYS/monitor/Clients'],
  ]
  const no = [
    ['sport/+', 'sport'],
    ['sport/tennis/+', 'sport/tennis/player1/ranking'],
    ['+', '/finance'],
    ['#', '$SYS/monitor'],
    ['+/monitor/Clients', '$SYS/monitor/Clients'],
    ['ACCOUNTS', 'Accounts'],
  ]
  for (const [filter = '', topic = ''] of yes) assert.equal(matches(filter, topic), true, `${filter} ${topic}`)
  for (const [filter = '', topic = ''] of no) assert.equal(matches(filter, topic), false, `${filter} ${topic}`)
})

test('a topic reaches exactly the filters that match it, whatever was added and removed before', () => {
  const filters = fc.uniqueArray(topicFilter, { minLength: 1, maxLength: 12 })
  const picks = fc.array(fc.boolean(), { minLength: 12, maxLength: 12 })
  fc.assert(
    fc.property(filters, picks, topicName, (filters, removed, topic) => {
      const tree = new TopicTree()
      const all = filters.map((filter) => subscription(filter))
      for (const one of all) tree.add(one)
      for (const [at, one] of all.entries()) if (removed[at]) tree.remove(one)
      const left = filters.filter((_, at) => !removed[at])
      assert.equal(tree.size, left.length)
      assert.deepEqual(heardBy(tree, topic).sort(), left.filter((filter) => matches(filter, topic)).sort())
    }),
    { numRuns: 3000 },
  )
})

test('when all are removed nothing is left, and the tree is as good as new', () => {
  fc.assert(
    fc.property(fc.array(topicFilter, { maxLength: 12 }), topicName, topicFilter, (filters, topic, later) => {
      const tree = new TopicTree()
      const all = filters.map((filter) => subscription(filter))
      for (const one of all) tree.add(one)
      for (const one of all) tree.remove(one)
      assert.equal(tree.size, 0)
      assert.deepEqual(tree.match(topic), [])
      tree.add(subscription(later))
      assert.deepEqual(heardBy(tree, topic), matches(later, topic) ? [later] : [])
    }),
    { numRuns: 1000 },
  )
})

test('its version grows with every change and with nothing else', () => {
  const tree = new TopicTree()
  const versions = [tree.version]
  const one = subscription('a/+')
  tree.add(one)
  versions.push(tree.version)
  tree.remove(one)
  versions.push(tree.version)
  assert.deepEqual(
    versions,
    [...new Set(versions)].sort((a, b) => a - b),
  )
  tree.match('a/b')
  tree.remove(one) // it is not there any more
  tree.remove(subscription('never/added'))
  assert.equal(tree.version, versions.at(-1))
})

test('only the very subscription is removed, not another one with the same filter', () => {
  const tree = new TopicTree()
  const [first, second] = [subscription('a/b'), subscription('a/b')]
  tree.add(first)
  tree.add(second)
  tree.remove(first)
  assert.deepEqual(tree.match('a/b'), [second])
})

// 5: [MQTT-3.3.4-2], [MQTT-3.3.4-3]  3.1.1: [MQTT-3.3.5-1]
test('overlapping filters of one subscriber are one match with the most of each', () => {
  const tree = new TopicTree()
  const one = subscriber('pump-7')
  tree.add(subscription('a/+', { subscriber: one, qos: 1, identifiers: [1], noLocal: true }))
  tree.add(subscription('a/#', { subscriber: one, qos: 0, retainAsPublished: true }))
  tree.add(subscription('a/b', { subscriber: one, qos: 2, identifiers: [2] }))
  tree.add(subscription('a/b'))
  const [other, merged] = [...tree.match('a/b')].sort((a, b) => a.qos - b.qos)
  assert.equal(other?.subscriber.clientId, 'a/b')
  assert.deepEqual([merged?.qos, merged?.retainAsPublished], [2, true])
  assert.deepEqual([...(merged?.identifiers ?? [])].sort(), [1, 2])
  assert.equal(tree.match('a/b').length, 2)
})

// 5: [MQTT-3.8.3-3]
test('a message of its own reaches a subscriber by those of its filters that do not say No Local', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom<0 | 1 | 2>(0, 1, 2), fc.boolean()), { minLength: 1, maxLength: 5 }), (wishes) => {
      const tree = new TopicTree()
      const one = subscriber('pump-7')
      for (const [at, [qos, noLocal]] of wishes.entries()) {
        tree.add(subscription(['a', 'a/#', '+', '+/#', '#'][at] ?? '', { subscriber: one, qos, noLocal, identifiers: [at] }))
      }
      const [match] = tree.match('a')
      assert.equal(match?.qos, Math.max(...wishes.map(([qos]) => qos)))
      const local = wishes.flatMap(([qos, noLocal], at) => (noLocal ? [] : [{ qos, at }]))
      const own = match === undefined ? undefined : forSelf(match)
      assert.deepEqual(
        [...(own?.identifiers ?? [])].sort(),
        local.map(({ at }) => at),
      )
      if (local.length > 0) assert.equal(own?.qos, Math.max(...local.map(({ qos }) => qos)))
    }),
  )
})

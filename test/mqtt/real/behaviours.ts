// What every client must find at the hub, as one table: each row is a test of each client, in each version and over each wire that it speaks.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { InProcessHub } from '../../kit/hub.ts'
import { mourner, type Version } from '../../kit/mqtt.ts'
import { Cable } from './cable.ts'
import type { Heard, Listener, Opening, QoS, RealClient, Saying } from './client.ts'

interface Bench {
  readonly t: TestContext
  readonly hub: InProcessHub
  readonly client: RealClient
  readonly version: Version
  /** A topic that no other test uses. */
  readonly topic: string
  /** What is said of the client under test: an identifier that no other test uses. */
  readonly opening: Opening
  /** Between the client under test and the hub. */
  readonly cable: Cable
  /** The client under test, subscribed. */
  listenOnCable(filter: string, qos: QoS, more?: Partial<Opening>): Promise<Listener>
  /** Another of its kind, whose connection is left alone. */
  listen(filter: string, qos: QoS): Promise<Listener>
  /** By another of its kind. */
  publish(topic: string, text: string, qos: QoS, more?: Partial<Saying>): Promise<void>
}

type Behaviour = (bench: Bench) => Promise<void>

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
const textOf = ({ payload }: Heard) => payload.toString()

/** The next messages as text. */
async function texts(listener: Listener, count: number): Promise<string[]> {
  const heard: string[] = []
  while (heard.length < count) heard.push(textOf(await listener.next()))
  return heard
}

/** Shows that nothing more came, by something that comes later. */
async function hearsNothingElse({ publish }: Bench, listener: Listener, topic: string): Promise<void> {
  await publish(topic, 'that was all', 1)
  assert.equal(textOf(await listener.next()), 'that was all')
}

const exchanges = ([0, 1, 2] as const).map((qos): [string, Behaviour] => [
  `hears at QoS ${qos} what it publishes at QoS ${qos}, every byte of it, once`,
  async (bench) => {
    const { topic } = bench
    const listener = await bench.listen(topic, 2)
    await bench.publish(topic, '', qos, { payloads: [everyByte] })
    const heard = await listener.next()
    assert.deepEqual(heard, { topic, payload: everyByte, qos, retain: false })
    await hearsNothingElse(bench, listener, topic)
  },
])

const bursts = ([1, 2] as const).map((qos): [string, Behaviour] => [
  `publishes many messages at QoS ${qos} as fast as it can, and they arrive in order`,
  async ({ topic, listen, publish }) => {
    const numbers = Array.from({ length: 200 }, (_, at) => `${at}`)
    const listener = await listen(topic, 2)
    await publish(topic, '', qos, { payloads: numbers.map((number) => Buffer.from(number)) })
    assert.deepEqual(await texts(listener, 200), numbers) // 5: [MQTT-4.6.0-6]  3.1.1: [MQTT-4.6.0-6]
  },
])

const behaviours: readonly (readonly [name: string, behaviour: Behaviour])[] = [
  ...exchanges,
  ...bursts,
  [
    'hears no message at a higher QoS than it asked for',
    async ({ topic, listen, publish }) => {
      const listener = await listen(topic, 1)
      for (const qos of [2, 1, 0] as const) await publish(topic, '', qos)
      const heard = [await listener.next(), await listener.next(), await listener.next()]
      assert.deepEqual(
        heard.map(({ qos }) => qos),
        [1, 1, 0],
      ) // 5: [MQTT-3.8.4-8]  3.1.1: [MQTT-3.8.4-6]
    },
  ],
  [
    'hears what its wildcards cover, and nothing else',
    async ({ topic, listen, publish }) => {
      const all = await listen(`${topic}/#`, 1)
      const some = await listen(`${topic}/+/temperature`, 1)
      for (const below of ['', '/a', '/a/temperature', '/b/temperature', '/b/temperature/deep', '/end/temperature']) {
        await publish(topic + below, below, 1)
      }
      assert.deepEqual(await texts(all, 6), ['', '/a', '/a/temperature', '/b/temperature', '/b/temperature/deep', '/end/temperature'])
      assert.deepEqual(await texts(some, 3), ['/a/temperature', '/b/temperature', '/end/temperature'])
    },
  ],
  [
    'finds a retained message that came before it, until that is cleared',
    async (bench) => {
      const { topic, listen, publish } = bench
      await publish(topic, 'old', 1, { retain: true })
      await publish(topic, 'kept', 1, { retain: true })
      const early = await listen(topic, 1)
      assert.deepEqual(await early.next(), { topic, payload: Buffer.from('kept'), qos: 1, retain: true })
      await publish(topic, '', 1, { retain: true })
      assert.deepEqual(await early.next(), { topic, payload: Buffer.alloc(0), qos: 1, retain: false })
      const late = await listen(topic, 1)
      await hearsNothingElse(bench, late, topic)
    },
  ],
  [
    'sends and hears a large message whole',
    async ({ topic, listen, publish }) => {
      const large = Buffer.alloc(200_000, everyByte)
      const listener = await listen(topic, 2)
      await publish(topic, '', 2, { payloads: [large] })
      assert.ok(large.equals((await listener.next()).payload))
    },
  ],
  [
    'leaves a will, which is published when its cable is pulled, and kept',
    async ({ topic, cable, listen, listenOnCable }) => {
      const watcher = await listen(topic, 2)
      await listenOnCable(`${topic}/own`, 0, { will: { topic, payload: 'lost', qos: 2, retain: true } })
      cable.pull()
      assert.deepEqual(await watcher.next(), { topic, payload: Buffer.from('lost'), qos: 2, retain: false })
      const late = await listen(topic, 2)
      assert.deepEqual(await late.next(), { topic, payload: Buffer.from('lost'), qos: 2, retain: true })
    },
  ],
  [
    'says goodbye, and its will is not published unless it asks for that',
    async (bench) => {
      const { client, version, topic, listen, listenOnCable } = bench
      const watcher = await listen(topic, 2)
      const leaver = await listenOnCable(`${topic}/own`, 0, { will: { topic, payload: 'asked for', qos: 1, retain: false } })
      await leaver.leave()
      if (client.goodbyeAsksForWill.includes(version)) assert.deepEqual(await texts(watcher, 1), ['asked for']) // 5: section 3.14.2.1
      await hearsNothingElse(bench, watcher, topic) // 5: [MQTT-3.14.4-3]  3.1.1: [MQTT-3.14.4-3]
    },
  ],
  [
    'says goodbye, and finds what it missed when it comes again',
    async (bench) => {
      const { topic, version, listenOnCable, publish } = bench
      const lasting = { lasting: true }
      const before = await listenOnCable(topic, 2, lasting)
      assert.equal(before.sessionPresent, false)
      await before.leave()
      await publish(topic, 'one', 1)
      await publish(topic, 'two', 2)
      const again = await listenOnCable(topic, 2, lasting)
      assert.equal(again.sessionPresent, version > 3) // MQTT 3.1 has no word for it
      assert.deepEqual(await texts(again, 2), ['one', 'two'])
      await hearsNothingElse(bench, again, topic)
    },
  ],
  [
    'comes back after its cable was pulled, and finds what it missed',
    async (bench) => {
      const { t, hub, topic, version, opening, cable, listenOnCable, publish } = bench
      const { will, gone } = await mourner(t, hub, opening.clientId)
      const listener = await listenOnCable(topic, 2, { lasting: true, will: { ...will, payload: will.payload.toString() } })
      cable.pull()
      await gone()
      await publish(topic, 'one', 1)
      await publish(topic, 'two', 2)
      cable.mend()
      assert.equal(await listener.comeBack(), version > 3)
      assert.deepEqual(await texts(listener, 2), ['one', 'two'])
      await hearsNothingElse(bench, listener, topic)
    },
  ],
  ...([1, 2] as const).map((qos): [string, Behaviour] => [
    `is sent again at QoS ${qos} what was lost on a dead link, though the hub thinks it connected`,
    async (bench) => {
      const { topic, version, cable, listenOnCable, publish } = bench
      const listener = await listenOnCable(topic, 2, { lasting: true })
      const lost = cable.deafen()
      await publish(topic, 'lost at first', qos)
      await lost
      cable.dropClientsEnd()
      assert.equal(await listener.comeBack(), version > 3)
      assert.deepEqual(await texts(listener, 1), ['lost at first'])
      await hearsNothingElse(bench, listener, topic)
    },
  ]),
]

/** Of clients that take orders while they are connected, and keep what they have under way over a broken connection. */
const peerBehaviours: typeof behaviours = [
  [
    'finishes a publish at QoS 2 whose answer was lost, and it is heard once',
    async (bench) => {
      const { t, client, topic, opening, cable, listen } = bench
      const listener = await listen(topic, 2)
      const peer = await client.open!(t, cable, { ...opening, lasting: true })
      const lost = cable.deafen()
      const published = peer.publish({ topic, payloads: [Buffer.from('once')], qos: 2 })
      await lost // the PUBREC: the hub has the message
      cable.dropClientsEnd()
      await peer.comeBack()
      await published
      assert.deepEqual(await texts(listener, 1), ['once'])
      await hearsNothingElse(bench, listener, topic) // 5: [MQTT-4.3.3-10]  3.1.1: [MQTT-4.3.3-2]
    },
  ],
  [
    'subscribes once more while it is connected, and hears what it says itself',
    async ({ t, client, topic, opening, cable }) => {
      const peer = await client.open!(t, cable, opening)
      for (const level of ['a', 'b']) {
        await peer.subscribe(`${topic}/${level}`, 1)
        await peer.publish({ topic: `${topic}/${level}`, payloads: [Buffer.from(level)], qos: 1 })
        assert.equal(textOf(await peer.next()), level)
      }
      await peer.leave()
    },
  ],
]

const versionNames: Readonly<Record<Version, string>> = { 3: '3.1', 4: '3.1.1', 5: '5' }

/** The table, as tests of one client. */
export function behavesAtTheHub(client: RealClient, hub: InProcessHub): void {
  let last = 0
  for (const version of client.versions) {
    for (const wire of client.wires) {
      for (const [name, behaviour] of client.open === undefined ? behaviours : [...behaviours, ...peerBehaviours]) {
        test(`${client.name} ${name} (MQTT ${versionNames[version]}, ${wire})`, { timeout: 10_000 }, async (t) => {
          const topic = `real/${++last}/Wärme/水`
          const opening = { clientId: `subject-${last}`, version }
          const [cable, steady] = [await Cable.lay(t, hub, wire), await Cable.lay(t, hub, wire)]
          let others = 0
          const other = () => ({ clientId: `other-${last}-${++others}`, version })
          await behaviour({
            t,
            hub,
            client,
            version,
            topic,
            opening,
            cable,
            listenOnCable: (filter, qos, more) => client.listen(t, cable, { ...opening, ...more }, filter, qos),
            listen: (filter, qos) => client.listen(t, steady, other(), filter, qos),
            publish: (to, text, qos, more) =>
              client.publish(t, steady, other(), { topic: to, payloads: [Buffer.from(text)], qos, ...more }),
          })
        })
      }
    }
  }
}

// What every database has to remember of sessions. Each test runs twice: over a store that was closed, and over one that was copied as it lay
// on disk, as after a crash.
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import type { Message, QoS } from '../../devices/message.ts'
import type { Will } from '../../devices/will.ts'
import type { Owed, Store, StoredSession } from '../../hub/store/store.ts'
import type { OpenStore } from './contract.ts'
import { newFolder, publish, stored } from './kit.ts'

const endings = {
  /** The next start finds everything in its place. */
  closed: async (store: Store, folder: string) => {
    await store.close()
    return folder
  },
  /** The next start finds what was committed, and no more. */
  crashed: async (store: Store, folder: string, t: TestContext) => {
    await stored(store)
    const copy = newFolder(t)
    cpSync(folder, copy, { recursive: true })
    return copy
  },
} as const

const will: Will = {
  topic: 'wills/pump',
  payload: Buffer.from([0, 255, 10]),
  qos: 1,
  retain: true,
  properties: Buffer.from([38, 0, 1, 97, 0, 1, 98]),
  delaySeconds: 30,
}

function options(qos: QoS, more: Partial<StoredSession['subscriptions'][number]> = {}) {
  return { qos, noLocal: false, retainAsPublished: false, identifier: undefined, ...more }
}

/** A message that is being handed on, as the router would say it. */
function routed(store: Store, topic: string, text: string, more: { qos?: QoS; properties?: Uint8Array } = {}): Message {
  const { qos = 1, properties } = more
  const seq = publish(store, topic, text, { flags: qos, ...(properties === undefined ? {} : { properties }) })
  const expiresAtMs = Number.POSITIVE_INFINITY
  return { seq, topic, payload: Buffer.from(text), qos, retain: false, properties, atMs: Date.now(), expiresAtMs, from: undefined }
}

function owedOf(message: Message, more: Partial<Owed> = {}): Owed {
  return { message, qos: message.qos, retain: false, identifiers: undefined, shareFilter: undefined, ...more }
}

/** What is compared of a delivery. */
async function owedTo(store: Store, session: number) {
  return (await store.owed(session)).map(({ message, qos, packetId, released }) => ({
    text: Buffer.from(message.payload).toString(),
    qos,
    packetId,
    released,
  }))
}

export function sessionContract(name: string, open: OpenStore): void {
  for (const [ending, end] of Object.entries(endings)) {
    /** Runs the facts, ends the store in this way, and opens it again. */
    async function again(t: TestContext, tell: (store: Store) => void | Promise<void>): Promise<Store> {
      const folder = newFolder(t)
      const store = await open(t, folder)
      await tell(store)
      return open(t, await end(store, folder, t))
    }

    test(`${name}, ${ending}: sessions come back with expiry, will and subscriptions, in the order of their numbers`, async (t) => {
      const startedMs = Date.now()
      const store = await again(t, ({ sessionLog: log }) => {
        log.opened(1, 'pump-1', 60, will, 'device/pump-1')
        log.opened(2, 'Pumpe 2/ü', 3600, undefined, '')
        log.opened(3, 'polite', 100, will, '')
        log.opened(3, 'polite', 100, will, 'key/next')
        log.left(3, 50, false)
        log.subscribed(2, { filter: 'a/+', ...options(1) })
        log.subscribed(2, { filter: '$share/g/b/#', ...options(2, { noLocal: true, retainAsPublished: true, identifier: 268_435_455 }) })
        log.subscribed(2, { filter: 'gone', ...options(2) })
        log.subscribed(2, { filter: 'a/+', ...options(0) })
        log.unsubscribed(2, 'gone')
        log.left(2, 3600, true)
      })
      const [pump, second, polite] = [...store.sessionsAtStart]
      assert.deepEqual([pump?.number, pump?.clientId, pump?.expirySeconds, pump?.subscriptions], [1, 'pump-1', 60, []])
      assert.deepEqual(
        { ...pump?.will, payload: [...(pump?.will?.payload ?? [])], properties: [...(pump?.will?.properties ?? [])] },
        {
          ...will,
          payload: [0, 255, 10],
          properties: [38, 0, 1, 97, 0, 1, 98],
        },
      )
      assert.deepEqual([pump?.owner, second?.owner, polite?.owner], ['device/pump-1', '', 'key/next'])
      assert.equal(second?.clientId, 'Pumpe 2/ü')
      assert.deepEqual(
        second.subscriptions.toSorted((a, b) => (a.filter < b.filter ? -1 : 1)),
        [
          { filter: '$share/g/b/#', ...options(2, { noLocal: true, retainAsPublished: true, identifier: 268_435_455 }) },
          { filter: 'a/+', ...options(0) },
        ],
      )
      assert.deepEqual([polite?.will, polite?.expirySeconds], [undefined, 50])
      for (const session of [pump, second, polite]) {
        assert.ok(
          session !== undefined && session.awayMs >= startedMs && session.awayMs <= Date.now(),
          'away since the end, or since it left',
        )
      }
    })

    test(`${name}, ${ending}: a session that came back again is as it was opened last; an ended one is gone`, async (t) => {
      const store = await again(t, ({ sessionLog: log }) => {
        log.opened(1, 'twice', 60, will, '')
        log.subscribed(1, { filter: 'kept', ...options(1) })
        log.left(1, 60, true)
        log.opened(1, 'twice', 90, undefined, '')
        log.opened(2, 'published', 60, will, '')
        log.willSent(2)
        log.opened(3, 'ended', 60, will, '')
        log.subscribed(3, { filter: 'x', ...options(1) })
        log.ended(3)
      })
      assert.equal(store.lastSessionAtStart, 3, 'the number of an ended one is not given again')
      const sessions = [...store.sessionsAtStart]
      assert.deepEqual(
        sessions.map(({ clientId, expirySeconds, will }) => [clientId, expirySeconds, will]),
        [
          ['twice', 90, undefined],
          ['published', 60, undefined],
        ],
      )
      assert.deepEqual(sessions[0]?.subscriptions, [{ filter: 'kept', ...options(1) }])
    })

    test(`${name}, ${ending}: what a session is owed comes back in its order, as far as it had come`, async (t) => {
      const properties = Buffer.from([38, 0, 1, 107, 0, 1, 118])
      const store = await again(t, async (store) => {
        const { sessionLog: log, journal } = store
        log.opened(1, 'pump', 60, undefined, '')
        let routing = Number.POSITIVE_INFINITY
        journal.routedBy(() => routing)
        const messages = ['waits', 'sent', 'released', 'acknowledged'].map((text) =>
          routed(store, `t/${text}`, text, { qos: 2, properties }),
        )
        routing = messages[0]!.seq
        await stored(store)
        const places = messages.map((message) =>
          log.owed(1, owedOf(message, { identifiers: [3, 70_000], shareFilter: '$share/g/t/#' }), 0, true),
        )
        routing = Number.POSITIVE_INFINITY
        log.sent(1, places[1]!, 7)
        log.sent(1, places[2]!, 8)
        log.released(1, places[2]!)
        log.sent(1, places[3]!, 9)
        log.finished(1, places[3]!)
        const old: Message = {
          ...messages[0]!,
          seq: 1,
          topic: 'retained/long/ago',
          payload: Buffer.from('carried'),
          qos: 1,
          retain: true,
          atMs: 1234,
        }
        log.owed(1, owedOf(old, { retain: true }), 10, false)
      })
      const [session] = [...store.sessionsAtStart]
      assert.deepEqual([session?.owedCount, session?.owedByGroups], [4, true])
      assert.ok((session?.owedBytes ?? 0) > 100)
      assert.deepEqual(await owedTo(store, 1), [
        { text: 'waits', qos: 2, packetId: 0, released: false },
        { text: 'sent', qos: 2, packetId: 7, released: false },
        { text: 'released', qos: 2, packetId: 8, released: true },
        { text: 'carried', qos: 1, packetId: 10, released: false },
      ])
      const [waits, , , carried] = await store.owed(1)
      assert.deepEqual([waits?.identifiers, waits?.shareFilter, waits?.message.topic], [[3, 70_000], '$share/g/t/#', 't/waits'])
      assert.deepEqual([...(waits?.message.properties ?? [])], [...properties])
      assert.deepEqual(
        [carried?.message.topic, carried?.retain, carried?.message.retain, carried?.message.atMs, carried?.shareFilter],
        ['retained/long/ago', true, true, 1234, undefined],
      )
    })

    test(`${name}, ${ending}: what comes after a restart goes on from there, and a second restart finds both`, async (t) => {
      const folder = newFolder(t)
      const first = await open(t, folder)
      first.sessionLog.opened(1, 'pump', 60, undefined, '')
      const old = routed(first, 't', 'old')
      const sent = first.sessionLog.owed(1, owedOf(old), 5, false)
      first.sessionLog.received(1, 1)
      first.sessionLog.received(1, 2)
      const left = await end(first, folder, t)
      const second = await open(t, left)
      assert.deepEqual([...second.sessionsAtStart][0]?.receivedQoS2, [1, 2])
      second.sessionLog.forgotten(1, 1)
      second.sessionLog.finished(1, sent)
      second.sessionLog.owed(1, owedOf(routed(second, 't', 'new')), 0, false)
      const third = await open(t, await end(second, left, t))
      const [session] = [...third.sessionsAtStart]
      assert.deepEqual([session?.receivedQoS2, session?.owedCount], [[2], 1])
      assert.deepEqual(await owedTo(third, 1), [{ text: 'new', qos: 1, packetId: 0, released: false }])
    })

    test(`${name}, ${ending}: stored messages that were perhaps not handed on are named, and no others`, async (t) => {
      const store = await again(t, async (store) => {
        store.sessionLog.opened(1, 'someone who may be owed them', 60, undefined, '')
        let oldest = Number.POSITIVE_INFINITY
        store.journal.routedBy(() => oldest)
        routed(store, 't', 'handed on')
        await stored(store)
        oldest = routed(store, 't', 'not handed on').seq
        routed(store, 't', 'at QoS 0', { qos: 0 })
        routed(store, 't', 'nor this', { qos: 2 })
        await stored(store)
      })
      assert.deepEqual(
        store.unroutedAtStart.map(({ payload, qos, topic }) => [Buffer.from(payload).toString(), qos, topic]),
        [
          ['not handed on', 1, 't'],
          ['nor this', 2, 't'],
        ],
      )
    })
  }
}

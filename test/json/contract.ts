// What a client that goes by cursor can rely on, whatever wire brings its messages. The suite runs over each of them.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { atEnd } from '../kit/at-end.ts'
import { newFolder, startHub, type TestHub } from '../kit/hub.ts'
import type { JsonFrame } from '../kit/json.ts'
import { hubOfFile, moor, type TestClient } from '../kit/mqtt.ts'
import { randomFrom } from '../kit/random.ts'

/** A client with a session. */
export interface Reader {
  readonly welcome: JsonFrame
  next(is: JsonFrame['is'], fits?: (frame: JsonFrame) => boolean): Promise<JsonFrame>
  /** The next so many messages, in the order they came. */
  messages(count: number): Promise<JsonFrame[]>
  /** Messages that came and that nobody asked for, once all that the hub had to say has come. */
  leftovers(): Promise<JsonFrame[]>
  /** Says a frame, by whatever way goes up, and waits for its answer. Throws when it is refused. */
  do(frame: object): Promise<void>
  /** The wire is lost, and nobody says goodbye. */
  pullCable(): void
}

export interface WireOfReader {
  readonly name: string
  /** Opens a session with the members of `hello`. */
  open(t: TestContext, hub: TestHub, hello?: object): Promise<Reader>
}

export async function obeysTheContract(wire: WireOfReader): Promise<void> {
  const hub = await hubOfFile()
  const over = `over ${wire.name}`
  let names = 0
  const place = () => `${wire.name.replace(/\W/g, '')}/${++names}`

  test(`${over}: a message comes as JSON, as text or as base64, with its place and time`, async (t) => {
    const at = place()
    const reader = await wire.open(t, hub, { subscribe: [{ filter: `${at}/#` }] })
    const device = await moor(t, hub, `device of ${at}`)
    const before = Date.now()
    await device.publish(`${at}/a`, '{"v": 1500.0}', { qos: 1 })
    await device.publish(`${at}/b`, 'plain "text"\n', { qos: 2 })
    await device.publish(`${at}/c`, Buffer.from([0xff, 0x00]), { qos: 1 })
    const [a, b, c] = (await reader.messages(3)) as [JsonFrame, JsonFrame, JsonFrame]
    assert.deepEqual([a.topic, a.payload, a.qos], [`${at}/a`, { v: 1500 }, 1])
    assert.deepEqual([b.topic, b.text, b.qos], [`${at}/b`, 'plain "text"\n', 2])
    assert.deepEqual([c.topic, c.base64], [`${at}/c`, '/wA='])
    assert.ok((a.at ?? 0) >= before - 1 && (a.at ?? 0) <= Date.now() + 1)
    assert.deepEqual([seqOf(b) > seqOf(a), seqOf(c) > seqOf(b)], [true, true])
    assert.deepEqual([a.history, a.retain], [undefined, undefined])
  })

  test(`${over}: a message that is not kept is live only and has no cursor`, async (t) => {
    const at = place()
    const reader = await wire.open(t, hub, { subscribe: [{ filter: at }] })
    const device = await moor(t, hub, `device of ${at}`)
    await device.publish(at, '1')
    const live = await reader.next('message')
    assert.deepEqual([live.payload, live.qos, live.cursor], [1, 0, undefined])
    const later = await wire.open(t, hub, { subscribe: [{ filter: at, since: 0 }] })
    assert.deepEqual(await later.leftovers(), [])
  })

  test(`${over}: a new subscription gets what is retained, marked as such, unless it wants none`, async (t) => {
    const at = place()
    const device = await moor(t, hub, `device of ${at}`)
    await device.publish(`${at}/state`, '"on"', { qos: 1, retain: true })
    const reader = await wire.open(t, hub, { subscribe: [{ filter: `${at}/+` }] })
    const retained = await reader.next('message')
    assert.deepEqual([retained.payload, retained.retain, retained.cursor], ['on', true, undefined])
    const other = await wire.open(t, hub, { subscribe: [{ filter: `${at}/+`, retained: false }] })
    await device.publish(`${at}/state`, '"off"', { qos: 1, retain: true })
    const live = await other.next('message')
    assert.deepEqual([live.payload, live.retain], ['off', undefined])
    assert.equal(typeof live.cursor, 'string')
  })

  test(`${over}: a subscription begins with the history it asks for, by cursor, count or time`, async (t) => {
    const at = place()
    const device = await moor(t, hub, `device of ${at}`)
    const first = await wire.open(t, hub, { subscribe: [{ filter: at }] })
    for (let n = 0; n < 5; n++) await device.publish(at, `${n}`, { qos: 1 })
    const seen = await first.messages(5)
    const betweenMs = Date.now() + 2
    while (Date.now() <= betweenMs) await new Promise((resolve) => setImmediate(resolve)) // so that it lies between two batches
    for (let n = 5; n < 8; n++) await device.publish(at, `${n}`, { qos: 1 })
    await first.messages(3)

    const beginnings: readonly [object, number[]][] = [
      [{ since: seen[2]?.cursor }, [3, 4, 5, 6, 7]],
      [{ last: 2 }, [6, 7]],
      [{ last: 0 }, []],
      [{ last: 100 }, [0, 1, 2, 3, 4, 5, 6, 7]],
      [{ since: betweenMs }, [5, 6, 7]],
      [{ since: `${betweenMs}` }, [5, 6, 7]],
      [{ since: new Date(betweenMs).toISOString() }, [5, 6, 7]],
      [{ since: Date.now() + 60_000 }, []],
      [{}, []],
    ]
    for (const [beginning, numbers] of beginnings) {
      const reader = await wire.open(t, hub, { subscribe: [{ filter: at, ...beginning }] })
      const history = await reader.messages(numbers.length)
      assert.deepEqual(numbersOf(history), numbers, JSON.stringify(beginning))
      assert.ok(history.every((one) => one.history === true))
      await device.publish(at, '99', { qos: 0, retain: false })
      await device.publish(`${at}/other`, '0', { qos: 1 })
      assert.deepEqual(numbersOf(await reader.messages(1)), [99])
      assert.deepEqual(await reader.leftovers(), [])
      reader.pullCable()
    }
  })

  for (const durability of ['fsync', 'memory'] as const) {
    test(`${over}: history and what happens now meet without a gap and without a duplicate, while others publish (${durability})`, async (t) => {
      const at = place()
      const own = durability === 'fsync' ? hub : await startHub(t, { durability })
      const publisher = await Publisher.begin(t, own, at)
      const random = randomFrom(4)
      const early = await wire.open(t, own, { subscribe: [{ filter: at }] })
      const known = await early.messages(20)
      for (let round = 0; round < 12; round++) {
        const from = known[random(known.length)] as JsonFrame
        const beginning = round % 3 === 0 ? { last: 1 + random(30) } : { since: round % 3 === 1 ? from.cursor : from.at }
        const reader = await wire.open(t, own)
        await reader.do({ is: 'subscribe', filter: at, ...beginning })
        const messages = await reader.messages(60)
        assertConsecutive(messages)
        if (round % 3 === 1) assert.equal(messages[0]?.payload, (from.payload as number) + 1)
        const firstLive = messages.findIndex((one) => one.history === undefined)
        assert.ok(messages.slice(firstLive).every((one) => one.history === undefined) || firstLive === -1, 'history comes first')
        reader.pullCable()
      }
      await publisher.end()
    })
  }

  test(`${over}: the history of one filter leaves out nothing of another that is live`, async (t) => {
    const at = place()
    const device = await moor(t, hub, `device of ${at}`)
    for (let n = 0; n < 3; n++) await device.publish(`${at}/old`, `${n}`, { qos: 1 })
    const reader = await wire.open(t, hub, { subscribe: [{ filter: `${at}/live` }] })
    const publisher = await Publisher.begin(t, hub, `${at}/live`)
    for (let round = 0; round < 25; round++) await reader.do({ is: 'subscribe', filter: `${at}/old`, since: 0 })
    await publisher.published(20)
    await publisher.end()
    const all = await reader.leftovers()
    assertConsecutive(all.filter(({ topic }) => topic === `${at}/live`))
    assert.ok(all.filter(({ topic }) => topic === `${at}/live`).length >= 20)
    assert.deepEqual(numbersOf(all.filter(({ topic }) => topic === `${at}/old`)).slice(-3), [0, 1, 2])
  })

  test(`${over}: whoever says the cursor of the last message it saw goes on behind it`, async (t) => {
    const at = place()
    const publisher = await Publisher.begin(t, hub, at)
    const seen: JsonFrame[] = []
    const subscribe = [{ filter: at }]
    for (let round = 0; round < 8; round++) {
      const after = seen.at(-1)?.cursor
      const reader = await wire.open(t, hub, after === undefined ? { subscribe } : { after, subscribe })
      seen.push(...(await reader.messages(15)))
      reader.pullCable()
    }
    await publisher.end()
    assertConsecutive(seen)
    assert.ok(seen.every((one) => one.history === undefined))
  })

  test(`${over}: a session that lasts goes on behind what was acknowledged, wherever the wire was cut`, async (t) => {
    const at = place()
    const client = `reader of ${at}`
    const first = await wire.open(t, hub, { client, expiry: 600, subscribe: [{ filter: at }] })
    assert.deepEqual([first.welcome.client, first.welcome.resumed, first.welcome.expiry], [client, false, 600])
    const device = await moor(t, hub, `device of ${at}`)
    for (let n = 0; n < 6; n++) await device.publish(at, `${n}`, { qos: 1 })
    const seen = await first.messages(6)
    await first.do({ is: 'ack', cursor: seen[3]?.cursor })
    first.pullCable()
    for (let n = 6; n < 9; n++) await device.publish(at, `${n}`, { qos: 1 })
    const again = await wire.open(t, hub, { client, expiry: 600 })
    assert.deepEqual([again.welcome.resumed, again.welcome.cursor], [true, seen[3]?.cursor])
    assert.deepEqual(numbersOf(await again.messages(5)), [4, 5, 6, 7, 8])
    assert.deepEqual(await again.leftovers(), [])
  })

  test(`${over}: a session that lasts, and any cursor, survive a restart of the hub`, async (t) => {
    const folder = newFolder(t)
    const client = 'reader'
    let own = await startHub(t, { data: folder })
    const subscribe = [{ filter: 'n' }]
    const publisher = await Publisher.begin(t, own, 'n')
    const lasting = await wire.open(t, own, { client, expiry: 600, subscribe })
    const passing = await wire.open(t, own, { subscribe })
    const seen = await lasting.messages(20)
    await lasting.do({ is: 'ack', cursor: seen.at(-1)?.cursor })
    const seenPassing = await passing.messages(20)
    lasting.pullCable()
    passing.pullCable()
    await publisher.published(20)
    await publisher.pause()
    await own.stop()

    own = await startHub(t, { data: folder })
    await publisher.goOn(own)
    await publisher.published(20)
    const lastingAgain = await wire.open(t, own, { client, expiry: 600 })
    assert.equal(lastingAgain.welcome.resumed, true)
    seen.push(...(await lastingAgain.messages(80)))
    assertConsecutive(seen)
    const passingAgain = await wire.open(t, own, { after: seenPassing.at(-1)?.cursor, subscribe })
    seenPassing.push(...(await passingAgain.messages(80)))
    assertConsecutive(seenPassing)
    await publisher.end()
  })

  test(`${over}: a cursor of another database gets a gap and goes on with what there is`, async (t) => {
    const at = place()
    const device = await moor(t, hub, `device of ${at}`)
    await device.publish(at, '1', { qos: 1 })
    const asked = '7.4711'
    const reader = await wire.open(t, hub, { after: asked, subscribe: [{ filter: at }] })
    const gap = await reader.next('gap')
    assert.equal(gap.asked, asked)
    assert.match(gap.detail ?? '', /not in the journal/)
    assert.deepEqual(numbersOf(await reader.messages(1)), [1])
    await reader.do({ is: 'subscribe', filter: at, since: '7.4712' })
    assert.equal((await reader.next('gap')).asked, '7.4712')
    const again = await wire.open(t, hub, { after: gap.continues, subscribe: [{ filter: at }] })
    assert.deepEqual(numbersOf(await again.messages(1)), [1])
    assert.deepEqual(await again.leftovers(), [])
  })

  test(`${over}: a cursor from before the beginning of the journal gets a gap that says where it goes on`, async (t) => {
    const folder = newFolder(t)
    const before = await startHub(t, { data: folder })
    const subscribe = [{ filter: 'n' }]
    const witness = await wire.open(t, before, { subscribe })
    const device = await moor(t, before, 'device')
    for (let n = 0; n < 20; n++) await device.publish('n', `${n}`, { qos: 1 })
    const seen = await witness.messages(20)
    await before.stop()
    const kept = seen[12] as JsonFrame
    const db = new Database(join(folder, 'mooring.db'))
    db.prepare('DELETE FROM journal WHERE last_seq < ?').run(seqOf(kept))
    db.close()

    const own = await startHub(t, { data: folder })
    const reader = await wire.open(t, own, { after: seen[3]?.cursor, subscribe })
    const gap = await reader.next('gap')
    assert.equal(gap.asked, seen[3]?.cursor)
    const rest = await reader.messages(8)
    assert.deepEqual(numbersOf(rest), [12, 13, 14, 15, 16, 17, 18, 19])
    assert.deepEqual(
      rest.map((one) => one.cursor),
      seen.slice(12).map((one) => one.cursor),
    )
    const again = await wire.open(t, own, { after: gap.continues, subscribe })
    assert.deepEqual(numbersOf(await again.messages(8)), [12, 13, 14, 15, 16, 17, 18, 19])
    assert.deepEqual((await again.leftovers()).length, 0)
  })

  test(`${over}: of two filters that match, and of one that is said twice, a message comes once`, async (t) => {
    const at = place()
    const reader = await wire.open(t, hub, { subscribe: [{ filter: `${at}/#` }, { filter: `${at}/+` }] })
    await reader.do({ is: 'subscribe', filter: `${at}/#` })
    const device = await moor(t, hub, `device of ${at}`)
    await device.publish(`${at}/a`, '1', { qos: 1 })
    assert.deepEqual(numbersOf(await reader.messages(1)), [1])
    await reader.do({ is: 'unsubscribe', filter: `${at}/#` })
    await device.publish(`${at}/a`, '2', { qos: 1 })
    await reader.do({ is: 'unsubscribe', filter: `${at}/+` })
    await device.publish(`${at}/a`, '3', { qos: 1 })
    assert.deepEqual(numbersOf(await reader.leftovers()), [2])
  })

  test(`${over}: what comes below its commands is a command, with the members of the payload`, async (t) => {
    const client = `${wire.name.replace(/\W/g, '')}-pump`
    const reader = await wire.open(t, hub, { client, subscribe: [{ filter: `devices/${client}/commands/+` }] })
    const operator = await moor(t, hub, `operator of ${client}`)
    await operator.publish(`devices/${client}/commands/c1`, '{"name":"stop","id":"mine"}', { qos: 1 })
    const command = (await reader.next('command')) as JsonFrame & { name?: string }
    assert.deepEqual([command.id, command.name, typeof command.cursor], ['c1', 'stop', 'string'])
  })

  test(`${over}: a session that is kept for MQTT is not taken by accident`, async (t) => {
    const clientId = `meter of ${place()}`
    const device = await moor(t, hub, clientId, 5, { clean: false, properties: { sessionExpiryInterval: 600 } })
    await device.leave()
    await assert.rejects(wire.open(t, hub, { client: clientId }), /session-elsewhere/)
    const reader = await wire.open(t, hub, { client: clientId, clean: true })
    assert.equal(reader.welcome.resumed, false)
    reader.pullCable()
  })
}

/** Publishes numbers in a row, each once the one before is stored. */
export class Publisher {
  readonly #t: TestContext
  readonly #topic: string
  #client: TestClient
  #next = 0
  #isPaused = false
  #running: Promise<void>

  private constructor(t: TestContext, topic: string, client: TestClient) {
    this.#t = t
    this.#topic = topic
    this.#client = client
    this.#running = this.#run()
  }

  static async begin(t: TestContext, hub: TestHub, topic: string): Promise<Publisher> {
    const publisher = new Publisher(t, topic, await moor(t, hub, `publisher of ${topic}`))
    atEnd(t, () => publisher.pause())
    return publisher
  }

  /** Comes back when so many more are stored. */
  async published(count: number): Promise<void> {
    const until = this.#next + count
    while (this.#next < until) await new Promise((resolve) => setImmediate(resolve))
  }

  async pause(): Promise<void> {
    this.#isPaused = true
    await this.#running
  }

  async goOn(hub: TestHub): Promise<void> {
    this.#client = await moor(this.#t, hub, `publisher of ${this.#topic}`)
    this.#isPaused = false
    this.#running = this.#run()
  }

  async end(): Promise<void> {
    await this.pause()
    this.#client.pullCable()
  }

  async #run(): Promise<void> {
    for (; !this.#isPaused; this.#next++) await this.#client.publish(this.#topic, `${this.#next}`, { qos: 1 })
  }
}

export function seqOf({ cursor }: JsonFrame): number {
  return Number(cursor?.split('.')[1])
}

export function numbersOf(messages: readonly JsonFrame[]): unknown[] {
  return messages.map(({ payload }) => payload)
}

/** None is missing, none comes twice, all are in order. */
export function assertConsecutive(messages: readonly JsonFrame[]): void {
  const [first] = messages
  const from = first?.payload as number
  assert.deepEqual(
    numbersOf(messages),
    messages.map((_, at) => from + at),
  )
}

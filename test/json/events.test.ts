// Server-sent events: what a browser, or curl, sees of the JSON protocol, and how it goes on after a cut.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { limits } from '../../hub/limits.ts'
import { atEnd } from '../kit/at-end.ts'
import { HandClock } from '../kit/clock.ts'
import { EventParser, follow, jsonOf, overHttp1, type SentEvent } from '../kit/events.ts'
import { newFolder, startHub, type TestHub } from '../kit/hub.ts'
import { moor, type TestClient } from '../kit/mqtt.ts'

const publishAll = async (client: TestClient, topic: string, texts: readonly string[]) => {
  for (const text of texts) await client.publish(topic, text, { qos: 1 })
}

const row = (count: number, from = 1) => Array.from({ length: count }, (_, at) => `m${from + at}`)

const seqOf = (cursor: string) => Number(cursor.split('.')[1])

async function sessionsOf(hub: TestHub): Promise<number> {
  const { figures } = (await hub.get('/v1/hub')) as { figures: { sessions: number } }
  return figures.sessions
}

/** Comes back once the hub has as many sessions. */
async function untilSessions(hub: TestHub, count: number): Promise<void> {
  const deadline = performance.now() + 5000
  while ((await sessionsOf(hub)) !== count) assert.ok(performance.now() < deadline, `${await sessionsOf(hub)} sessions instead of ${count}`)
}

test('the parser of these tests reads streams as the specification wants them read', () => {
  const events: SentEvent[] = []
  const parser = new EventParser((event) => events.push(event))
  const text = ': a comment\r\n\rid: 1\ndata: a\ndata:  b\n\nid: 2\n\nevent: x\ndata\n\nretry: 7\nretry: no\ndata:lost'
  for (const byte of Buffer.from(text)) parser.add(Buffer.from([byte]))
  assert.deepEqual(events, [
    { type: 'message', data: 'a\n b', lastEventId: '1' },
    { type: 'x', data: '', lastEventId: '2' },
  ])
  assert.deepEqual([parser.lastEventId, parser.retryMs, parser.comments], ['2', 7, 1])
})

test('an event is a frame: welcome first, then messages with their cursor as id', async (t) => {
  const hub = await startHub(t)
  const stream = await follow(t, `${hub.url}/v1/messages?filter=a/%2B&filter=b`)
  const { headers } = stream.answer
  assert.equal(headers['content-type'], 'text/event-stream; charset=utf-8')
  assert.equal(headers['cache-control'], 'no-store')
  assert.equal(headers['x-accel-buffering'], 'no')
  assert.equal(headers['transfer-encoding'], 'chunked')
  assert.equal(stream.retryMs, 2000)
  assert.match(String(stream.welcome['client']), /^auto-/)
  assert.equal(stream.lastEventId, stream.welcome.cursor)

  const pump = await moor(t, hub, 'pump')
  await pump.publish('a/1', '{"t":21.4}', { qos: 1 })
  await pump.publish('c', 'nobody asked for this', { qos: 1 })
  await pump.publish('b', 'two\nlines', { qos: 0 })
  const [first, second] = [await stream.next(), await stream.next()]
  assert.equal(first.type, 'message')
  assert.deepEqual([first.frame.is, first.frame.topic, first.frame.payload, first.frame['qos']], ['message', 'a/1', { t: 21.4 }, 1])
  assert.equal(first.lastEventId, first.frame.cursor)
  assert.deepEqual([second.frame.text, second.frame.cursor], ['two\nlines', undefined])
  assert.equal(second.lastEventId, first.lastEventId, 'what is not kept is no place to go on from')
})

test('a command to a device is an event of its own', async (t) => {
  const hub = await startHub(t)
  const stream = await follow(t, `${hub.url}/v1/session/events?client=pump-7&filter=devices/pump-7/commands/%2B`)
  const operator = await moor(t, hub, 'operator')
  await operator.publish('devices/pump-7/commands/c1', '{"name":"stop"}', { qos: 1 })
  const { type, frame } = await stream.next()
  assert.deepEqual([type, frame.is, frame['id'], frame['name']], ['command', 'command', 'c1', 'stop'])
})

test('retained messages come first, and not again to a browser that comes back', async (t) => {
  const hub = await startHub(t)
  const pump = await moor(t, hub, 'pump')
  await pump.publish('a', 'retained', { qos: 1, retain: true })
  const stream = await follow(t, `${hub.url}/v1/messages?filter=a`)
  const { frame } = await stream.next()
  assert.deepEqual([frame.text, frame['retain'], frame.cursor], ['retained', true, undefined])
  const again = await follow(t, `${hub.url}/v1/messages?filter=a`, { 'last-event-id': stream.lastEventId })
  await pump.publish('a', 'news', { qos: 1 })
  assert.deepEqual(await again.texts(1), ['news'])
})

test('history first: the newest messages, or those since a cursor or a time, and each id is one to go on from', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const pump = await moor(t, hub, 'pump')
  await publishAll(pump, 'a', row(3))
  clock.advance(60)
  const since = clock.now()
  await publishAll(pump, 'a', row(3, 4))
  await publishAll(pump, 'b', ['other'])

  const last = await follow(t, `${hub.url}/v1/messages?filter=a&last=2`)
  const [fifth, sixth] = [await last.next(), await last.next()]
  assert.deepEqual([fifth.frame.text, sixth.frame.text, sixth.frame['history']], ['m5', 'm6', undefined])
  assert.equal(sixth.lastEventId, sixth.frame.cursor)

  const byTime = await follow(t, `${hub.url}/v1/messages?filter=a&since=${since}`)
  assert.deepEqual(await byTime.texts(3), row(3, 4))
  const byCursor = await follow(t, `${hub.url}/v1/messages?filter=a&filter=b&since=${fifth.lastEventId}`)
  assert.deepEqual(await byCursor.texts(2), ['m6', 'other'])
  await publishAll(pump, 'a', ['m7'])
  for (const stream of [last, byTime, byCursor]) assert.deepEqual(await stream.texts(1), ['m7'])
})

test('Last-Event-ID, and lastEventId in the query, win over all other places to begin', async (t) => {
  const hub = await startHub(t)
  const pump = await moor(t, hub, 'pump')
  const stream = await follow(t, `${hub.url}/v1/messages?filter=a`)
  await publishAll(pump, 'a', row(4))
  const ids: string[] = []
  for (let at = 0; at < 4; at++) ids.push((await stream.next()).lastEventId)
  const others = `&after=${ids[0]}&last=4`
  const byHeader = await follow(t, `${hub.url}/v1/messages?filter=a&lastEventId=${ids[2]}${others}`, { 'last-event-id': ids[1] as string })
  assert.deepEqual(await byHeader.texts(2), ['m3', 'm4'])
  const byQuery = await follow(t, `${hub.url}/v1/messages?filter=a&lastEventId=${ids[2]}${others}`)
  assert.deepEqual(await byQuery.texts(1), ['m4'])
  const byAfter = await follow(t, `${hub.url}/v1/messages?filter=a&after=${ids[0]}`)
  assert.deepEqual(await byAfter.texts(3), ['m2', 'm3', 'm4'])
})

test('a session that lasts goes on where its client stopped, with the filters it had', async (t) => {
  const hub = await startHub(t)
  const pump = await moor(t, hub, 'pump')
  const url = `${hub.url}/v1/session/events?client=page&expiry=600`
  const first = await follow(t, `${url}&filter=a`)
  assert.deepEqual([first.welcome['resumed'], first.welcome['expiry']], [false, 600])
  await publishAll(pump, 'a', row(2))
  const seen = await first.next()
  first.answer.cut()
  await publishAll(pump, 'a', ['m3'])
  const second = await follow(t, url, { 'last-event-id': seen.lastEventId })
  assert.equal(second.welcome['resumed'], true)
  assert.deepEqual(await second.texts(2), ['m2', 'm3'])
})

test('a browser that comes back goes on without gap or duplicate, through a restart of the hub, while a publisher goes on', async (t) => {
  const folder = newFolder(t)
  const sent: string[] = []
  const seen: string[] = []
  let [lastEventId, hub] = ['', await startHub(t, { data: folder })]
  for (let round = 0; round < 3; round++) {
    const pump = await moor(t, hub, 'pump')
    const before = row(20, sent.length + 1)
    await publishAll(pump, 'a', before) // nobody listens right now
    sent.push(...before)
    const publishing = (async () => {
      for (const text of row(60, sent.length + 1)) {
        await pump.publish('a', text, { qos: 1 })
        sent.push(text)
      }
    })()
    const query = lastEventId === '' ? '&last=10000' : ''
    for (let visit = 0; visit < 3; visit++) {
      const headers = lastEventId === '' ? {} : { 'last-event-id': lastEventId }
      const stream = await follow(t, `${hub.url}/v1/messages?filter=a${query}`, headers)
      for (let at = 0; at < 15; at++) {
        const { frame, lastEventId: id } = await stream.next()
        seen.push(String(frame.text))
        lastEventId = id
      }
      stream.answer.cut()
    }
    await publishing
    await hub.stop()
    hub = await startHub(t, { data: folder })
  }
  const stream = await follow(t, `${hub.url}/v1/messages?filter=a`, { 'last-event-id': lastEventId })
  seen.push(...(await stream.texts(sent.length - seen.length)))
  assert.deepEqual(seen, sent)
  assert.deepEqual(stream.unread, [])
})

test('a quiet stream is told its place, so that it does not grow old', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const pump = await moor(t, hub, 'pump')
  const stream = await follow(t, `${hub.url}/v1/messages?filter=a`)
  const begin = stream.lastEventId
  clock.advance(16)
  await stream.until(() => stream.comments === 1, 'a comment')
  assert.equal(stream.lastEventId, begin, 'nothing moved')
  await publishAll(pump, 'other', row(50))
  clock.advance(16)
  await stream.until(() => stream.comments === 2 && stream.lastEventId !== begin, 'a new place')
  assert.deepEqual(stream.unread, [], 'an id alone is no event')
  const moved = stream.lastEventId
  assert.ok(seqOf(moved) >= seqOf(begin) + 50, `${begin} → ${moved}`)
  await publishAll(pump, 'a', ['m1'])
  const again = await follow(t, `${hub.url}/v1/messages?filter=a`, { 'last-event-id': moved })
  assert.deepEqual(await again.texts(1), ['m1'])
})

test('a cursor of another database gets a gap, and the stream goes on', async (t) => {
  const hub = await startHub(t)
  const pump = await moor(t, hub, 'pump')
  await publishAll(pump, 'a', ['m1'])
  const stream = await follow(t, `${hub.url}/v1/messages?filter=a`, { 'last-event-id': '4711.12' })
  const gap = await stream.next()
  assert.deepEqual([gap.type, gap.frame['asked']], ['gap', '4711.12'])
  assert.deepEqual(await stream.texts(1), ['m1'])
})

test('what is refused is refused before the stream begins', async (t) => {
  const hub = await startHub(t)
  await moor(t, hub, 'machine')
  const refusals: [path: string, status: number, code: string][] = [
    ['/v1/messages', 400, 'request-invalid'],
    ['/v1/messages?filter=a/%23/b', 400, 'filter-invalid'],
    ['/v1/messages?filter=a&since=yesterday', 400, 'since-invalid'],
    ['/v1/messages?filter=a&since=1.1&last=1', 400, 'request-invalid'],
    ['/v1/messages?filter=a&after=here', 400, 'cursor-invalid'],
    ['/v1/session/events?client=machine', 409, 'session-elsewhere'],
  ]
  for (const [path, status, code] of refusals) {
    const answer = await overHttp1(hub.url + path)
    const problem = await jsonOf(answer)
    assert.deepEqual([path, answer.status, problem['code']], [path, status, code])
  }
  const head = await fetch(`${hub.url}/v1/messages?filter=a`, { method: 'HEAD' })
  assert.equal(head.status, 405)
})

test('a session without expiry ends with its stream, one that lasts does not', async (t) => {
  const hub = await startHub(t)
  const before = await sessionsOf(hub)
  const brief = await follow(t, `${hub.url}/v1/session/events?client=brief&filter=a`)
  const lasting = await follow(t, `${hub.url}/v1/session/events?client=lasting&filter=a&expiry=60`)
  assert.equal(await sessionsOf(hub), before + 2)
  brief.answer.cut()
  lasting.answer.cut()
  await untilSessions(hub, before + 1)
})

test('a stream that waits behind another answer ends with its connection', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const before = await sessionsOf(hub)
  const socket = connect(Number(new URL(hub.url).port), '127.0.0.1')
  atEnd(t, () => socket.destroy())
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`
  socket.write(get('/v1/session/messages?client=polling&wait=60&expiry=0') + get('/v1/messages?filter=a') + get('/v1/messages?filter=b'))
  await untilSessions(hub, before + 3)
  socket.destroy()
  await once(socket, 'close')
  clock.advance(32) // two heartbeats; the session that is polled is still waited for
  await untilSessions(hub, before + 1)
})

test('whoever opens the same session elsewhere is told of by an event, and this stream ends', async (t) => {
  const hub = await startHub(t)
  const url = `${hub.url}/v1/session/events?client=page&filter=a`
  const first = await follow(t, url)
  const second = await follow(t, url)
  const { type, frame } = await first.next()
  assert.deepEqual([type, frame['code'], frame['retry']], ['error', 'taken-over', false])
  assert.equal(first.retryMs, 60_000)
  await first.ended()
  const pump = await moor(t, hub, 'pump')
  await publishAll(pump, 'a', ['m1'])
  assert.deepEqual(await second.texts(1), ['m1'])
})

test('a hub that stops says so, and spreads those who come back', async (t) => {
  const hub = await startHub(t)
  const streams = await Promise.all(row(12).map((name) => follow(t, `${hub.url}/v1/session/events?client=${name}&filter=a`)))
  const begun = performance.now()
  await hub.stop()
  assert.ok(performance.now() - begun < 3000, 'streams do not hold up the stop')
  const retries = new Set<number>()
  for (const stream of streams) {
    const { type, frame } = await stream.next()
    assert.deepEqual([type, frame['code'], frame['retry']], ['error', 'shutting-down', true])
    await stream.ended()
    const retryMs = stream.retryMs as number
    assert.ok(retryMs >= 1000 && retryMs <= 1000 + limits.reconnectSpreadSeconds * 1000, `${retryMs}`)
    retries.add(retryMs)
  }
  assert.ok(retries.size > 6, 'they do not come back together')
})

test('who does not read costs a bounded sum and holds up nobody, and gets all of it once it reads', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const socket = connect(Number(new URL(hub.url).port), '127.0.0.1')
  atEnd(t, () => socket.destroy())
  socket.pause()
  socket.write('GET /v1/messages?filter=big HTTP/1.0\r\nhost: localhost\r\n\r\n')
  const other = await follow(t, `${hub.url}/v1/messages?filter=big`)
  await untilSessions(hub, 2)
  const pump = await moor(t, hub, 'pump')
  const count = 150
  clock.advance(1)
  for (let at = 0; at < count; at++) {
    await pump.publish('big', `${at}:`.padEnd(200_000, 'x'), { qos: 1 })
    assert.equal(textOfEvent((await other.next()).data).split(':')[0], String(at))
  }
  clock.advance(1)
  const { figures } = (await hub.get('/v1/hub')) as { figures: { deliveriesPerSecond: number } }
  const taken = figures.deliveriesPerSecond - count // one second stands for all of it
  assert.ok(taken >= 0 && taken < count / 2, `${taken} of ${count} messages were handed to a socket that nobody reads`)
  let came = 0
  const seen: string[] = []
  const parser = new EventParser((event) => {
    if (event.type === 'message') seen.push(textOfEvent(event.data).split(':')[0] as string)
    came++
  })
  socket.on('data', (chunk: Buffer) => parser.add(chunk))
  socket.resume()
  const deadline = performance.now() + 10_000
  while (seen.length < count && performance.now() < deadline) await once(socket, 'data')
  assert.deepEqual(
    seen,
    row(count).map((_, at) => String(at)),
  )
  assert.ok(came >= count)
})

function textOfEvent(data: string): string {
  return String((JSON.parse(data) as { text?: string }).text)
}

// Long-poll: a session that outlives its requests, and the commands of a device that can do no more than ask.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { limits } from '../../hub/limits.ts'
import { atEnd } from '../kit/at-end.ts'
import { HandClock } from '../kit/clock.ts'
import { type Answer, bodyOf, follow, type Get, type HubFrame, jsonOf, overHttp1, overOneHttp1, textOf } from '../kit/events.ts'
import { newFolder, startHub, type TestHub } from '../kit/hub.ts'
import { moor, type TestClient } from '../kit/mqtt.ts'

const publishAll = async (client: TestClient, topic: string, texts: readonly string[]) => {
  for (const text of texts) await client.publish(topic, text, { qos: 1 })
}

const row = (count: number, from = 1) => Array.from({ length: count }, (_, at) => `m${from + at}`)

const seqOf = (cursor: string) => Number(cursor.split('.')[1])

interface Polled {
  readonly texts: readonly string[]
  readonly cursor: string
  readonly frames: readonly HubFrame[]
}

async function polledOf(answer: Answer): Promise<Polled> {
  const body = await jsonOf(answer)
  assert.equal(answer.status, 200, JSON.stringify(body))
  const frames = body['messages'] as HubFrame[]
  return { texts: frames.map(textOf), cursor: String(body['cursor']), frames }
}

/** Polls of the client `page`, which wants `a`. */
function pollsOf(hub: TestHub, get: Get = overHttp1, client = 'page') {
  const url = `${hub.url}/v1/session/messages?client=${client}&filter=a`
  return async (after: string, wait = 0, more = '') => {
    const answer = await get(`${url}&wait=${wait}${after === '' ? '' : `&after=${after}`}${more}`)
    return polledOf(answer)
  }
}

/** Comes back once the hub holds a poll of this client: the session is there, and every request sent before was read. */
async function connected(hub: TestHub, count: number): Promise<void> {
  const deadline = performance.now() + 5000
  for (;;) {
    const { figures } = (await hub.get('/v1/hub')) as { figures: { connections: number } }
    if (figures.connections === count) return
    assert.ok(performance.now() < deadline, `${figures.connections} connections instead of ${count}`)
  }
}

/** A poll that is held: its answer, and a way to go away before it. */
function held(t: TestContext, url: string) {
  const stop = new AbortController()
  atEnd(t, () => stop.abort())
  const answer = fetch(url, { signal: stop.signal }).then(async (response) => ({
    status: response.status,
    headers: response.headers,
    text: await response.text(),
  }))
  answer.catch(() => {}) // told to whoever waits for it
  return { answer, abort: () => stop.abort() }
}

test('what waits is answered at once and in order, and the next request acknowledges it', async (t) => {
  const hub = await startHub(t)
  const poll = pollsOf(hub)
  const first = await poll('')
  assert.deepEqual(first.texts, [])
  const pump = await moor(t, hub, 'pump')
  await publishAll(pump, 'a', row(3))
  const second = await poll(first.cursor)
  assert.deepEqual(second.texts, row(3))
  assert.ok(seqOf(second.cursor) >= seqOf(String(second.frames.at(-1)?.cursor)))
  await publishAll(pump, 'a', ['m4'])
  assert.deepEqual((await poll(second.cursor, 30)).texts, ['m4'])
})

test('a poll is held until a message comes; what comes with it is in the same answer', async (t) => {
  const hub = await startHub(t)
  const { answer } = held(t, `${hub.url}/v1/session/messages?client=page&filter=a&wait=60`)
  await connected(hub, 1)
  const pump = await moor(t, hub, 'pump')
  for (const text of row(5)) pump.sendPublish('a', text, { qos: 1, messageId: Number(text.slice(1)) }) // one chunk, one turn
  const { status, headers, text } = await answer
  const { messages } = JSON.parse(text) as { messages: HubFrame[] }
  assert.deepEqual(messages.map(textOf), row(5))
  assert.equal(status, 200)
  assert.equal(headers.get('content-type'), 'application/json; charset=utf-8')
  assert.equal(headers.get('cache-control'), 'no-store')
})

test('an empty answer comes when the wait is over, with a cursor that has moved on', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const { cursor } = await pollsOf(hub)('')
  const { answer } = held(t, `${hub.url}/v1/session/messages?client=page&after=${cursor}&wait=20`)
  const pump = await moor(t, hub, 'pump')
  await publishAll(pump, 'b', row(10))
  clock.advance(18)
  let isAnswered = false
  void answer.then(() => (isAnswered = true))
  await pump.ping()
  assert.equal(isAnswered, false)
  clock.advance(2)
  const { text } = await answer
  const body = JSON.parse(text) as { messages: unknown[]; cursor: string }
  assert.deepEqual(body.messages, [])
  assert.ok(seqOf(body.cursor) >= seqOf(cursor) + 10)
})

test('an answer that was lost on its way comes again when the client says the same cursor', async (t) => {
  const hub = await startHub(t)
  const poll = pollsOf(hub)
  const { cursor } = await poll('')
  const pump = await moor(t, hub, 'pump')
  await publishAll(pump, 'a', row(3))
  assert.deepEqual((await poll(cursor)).texts, row(3))
  await publishAll(pump, 'a', ['m4'])
  assert.deepEqual((await poll(cursor)).texts, row(4))
  assert.deepEqual((await poll('')).texts, row(4), 'who says none goes on behind what it has acknowledged')
})

test('a request that is given up while it is held loses nothing', async (t) => {
  const hub = await startHub(t)
  const poll = pollsOf(hub)
  const { cursor } = await poll('')
  const { abort, answer } = held(t, `${hub.url}/v1/session/messages?client=page&after=${cursor}&wait=60`)
  const pump = await moor(t, hub, 'pump')
  abort()
  await assert.rejects(answer)
  await publishAll(pump, 'a', row(2))
  assert.deepEqual((await poll(cursor)).texts, row(2))
})

test('a second request of the same session answers the first with what there is', async (t) => {
  const hub = await startHub(t)
  const { cursor } = await pollsOf(hub)('')
  const url = `${hub.url}/v1/session/messages?client=page&after=${cursor}&wait=60`
  const first = held(t, url)
  const pump = await moor(t, hub, 'pump')
  const second = held(t, url)
  assert.deepEqual(JSON.parse((await first.answer).text), { messages: [], cursor })
  await publishAll(pump, 'a', ['m1'])
  assert.match((await second.answer).text, /m1/)
})

test('polls on one kept connection are answered one after the other', async (t) => {
  const hub = await startHub(t)
  const poll = pollsOf(hub, overOneHttp1(t))
  const pump = await moor(t, hub, 'pump')
  let { cursor } = await poll('')
  for (const text of row(5)) {
    const [answer] = await Promise.all([poll(cursor, 60), pump.publish('a', text, { qos: 1 })])
    assert.deepEqual(answer.texts, [text])
    cursor = answer.cursor
  }
})

test('a kept connection goes on after polls that were held for long, and a request that came too early waits its turn', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const socket = connect(Number(new URL(hub.url).port), '127.0.0.1')
  atEnd(t, () => socket.destroy())
  let heard = ''
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  const hears = async (text: string) => {
    const deadline = performance.now() + 5000
    while (!heard.includes(text)) {
      assert.ok(performance.now() < deadline, `${text} did not come: ${heard}`)
      await once(socket, 'data', { signal: AbortSignal.timeout(5000) })
    }
  }
  const ask = (path: string) => socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  const pump = await moor(t, hub, 'pump')
  let after = ''
  for (const text of row(12)) {
    ask(`/v1/session/messages?client=page&filter=a&wait=60${after}`)
    if (after === '') await connected(hub, 2)
    else await hub.get('/v1/hub')
    clock.advance(3)
    ask(`/v1/devices?search=${text}&limit=1`) // comes early
    await hub.get('/v1/hub')
    await pump.publish('a', text, { qos: 1 })
    await hears(`"text":"${text}"`)
    await hears('"total":0')
    after = `&after=${/"cursor":"([\d.]+)"\}HTTP/.exec(heard)?.[1]}`
    heard = ''
  }
})

test('no poll is lost that comes in the same instant as the answer to the one before it', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const { cursor } = await pollsOf(hub)('')
  const pump = await moor(t, hub, 'pump')
  const socket = connect(Number(new URL(hub.url).port), '127.0.0.1')
  atEnd(t, () => socket.destroy())
  let heard = ''
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  atEnd(t, () => process.off('warning', onWarning))
  let after = cursor
  const ask = () => socket.write(`GET /v1/session/messages?client=page&wait=60&after=${after} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  for (const [round, text] of row(300).entries()) {
    heard = ''
    ask()
    await hub.get('/v1/hub')
    if (round % 5 !== 0) clock.advance(1) // from here on the connection has no parser; it is made anew around the second poll
    pump.sendPublish('a', text, { qos: 1, messageId: 1 + round })
    for (let turns = round % 16; turns > 0 && !heard.includes(text); turns--) await new Promise(setImmediate)
    ask()
    let cursors: string[] = []
    while (cursors.length < 2) {
      await once(socket, 'data', { signal: AbortSignal.timeout(5000) })
      cursors = [...heard.matchAll(/"cursor":"([\d.]+)"\}(?=HTTP|$)/g)].map(([, said]) => said as string)
    }
    assert.ok(heard.slice(heard.lastIndexOf('HTTP/1.1 200')).includes(`"text":"${text}"`), `${text} is in the last answer: ${heard}`)
    after = cursors[1] as string
  }
  assert.deepEqual(warnings, [], 'the connection gathers no listeners')
})

test('much that waits comes in answers of bounded size', async (t) => {
  const hub = await startHub(t)
  const poll = pollsOf(hub)
  let { cursor } = await poll('')
  const pump = await moor(t, hub, 'pump')
  const sent = row(limits.pollMessages * 2 + 50)
  await Promise.all(sent.map((text) => pump.publish('a', text, { qos: 1 })))
  const seen: string[] = []
  while (seen.length < sent.length) {
    const answer = await poll(cursor)
    assert.ok(answer.texts.length > 0 && answer.texts.length <= 2 * limits.pollMessages, `${answer.texts.length}`)
    seen.push(...answer.texts)
    cursor = answer.cursor
  }
  assert.deepEqual(seen, sent)
})

test('few messages among many of others come once each, though the journal is still being read when an answer goes out', async (t) => {
  const hub = await startHub(t)
  const poll = pollsOf(hub)
  let { cursor } = await poll('')
  const pump = await moor(t, hub, 'pump')
  const sent = row(6)
  const other = Buffer.alloc(250 * 1024, 'x')
  const othersMax = Math.ceil(limits.historyScanBytes / other.length)
  for (const text of sent) {
    await pump.publish('a', text, { qos: 1 })
    await Promise.all(row(othersMax).map(() => pump.publish('b', other, { qos: 1 })))
  }
  const seen: string[] = []
  while (seen.length < sent.length) {
    const answer = await poll(cursor, 30)
    seen.push(...answer.texts)
    cursor = answer.cursor
  }
  assert.deepEqual(seen, sent)
})

test('history first: a new session may begin with the newest messages', async (t) => {
  const hub = await startHub(t)
  const pump = await moor(t, hub, 'pump')
  await publishAll(pump, 'a', row(5))
  const poll = pollsOf(hub)
  const { texts, cursor } = await poll('', 0, '&last=2')
  assert.deepEqual(texts, ['m4', 'm5'])
  await publishAll(pump, 'a', ['m6'])
  assert.deepEqual((await poll(cursor, 0, '&last=2')).texts, ['m6'], 'the same may be said each time')
})

test('a client that does not come again is away after one and a half waits, and forgotten when its time is over', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const poll = pollsOf(hub)
  await poll('', 0, '&expiry=100')
  await connected(hub, 1)
  clock.advance(9)
  await connected(hub, 1)
  clock.advance(3)
  await connected(hub, 0)
  const sessions = async () => ((await hub.get('/v1/hub')) as { figures: { sessions: number } }).figures.sessions
  clock.advance(97)
  assert.equal(await sessions(), 1)
  clock.advance(5)
  assert.equal(await sessions(), 0)

  const waiting = poll('', 40)
  await connected(hub, 1)
  clock.advance(41)
  await waiting
  clock.advance(56)
  await connected(hub, 1)
  clock.advance(5)
  await connected(hub, 0)
})

test('a client that was away for a while gets what was published meanwhile, also from a hub that was restarted', async (t) => {
  const [clock, folder] = [new HandClock(), newFolder(t)]
  let hub = await startHub(t, { data: folder }, clock)
  const { cursor } = await pollsOf(hub)('')
  clock.advance(60)
  await connected(hub, 0)
  await publishAll(await moor(t, hub, 'pump'), 'a', row(2))
  const second = await pollsOf(hub)(cursor)
  assert.deepEqual(second.texts, row(2))
  await publishAll(await moor(t, hub, 'pump'), 'a', ['m3'])
  await hub.stop()
  hub = await startHub(t, { data: folder }, clock)
  const bare = await jsonOf(await overHttp1(`${hub.url}/v1/session/messages?client=page&wait=0&after=${second.cursor}`))
  assert.deepEqual((bare['messages'] as HubFrame[]).map(textOf), ['m3'], 'its filter is remembered')
})

test('whoever opens the session elsewhere ends the poll that is held, with a problem', async (t) => {
  const hub = await startHub(t)
  const { answer } = held(t, `${hub.url}/v1/session/messages?client=page&filter=a&wait=60`)
  await connected(hub, 1)
  const stream = await follow(t, `${hub.url}/v1/session/events?client=page`)
  const { status, headers, text } = await answer
  assert.deepEqual([status, headers.get('content-type')], [409, 'application/problem+json'])
  assert.equal((JSON.parse(text) as { code: string }).code, 'taken-over')
  await publishAll(await moor(t, hub, 'pump'), 'a', ['m1'])
  assert.deepEqual(await stream.texts(1), ['m1'])
})

test('a hub that stops answers what it holds, and says when to come again', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const polls = row(5).map((client) => held(t, `${hub.url}/v1/session/messages?client=${client}&filter=a&wait=60`))
  await connected(hub, 5)
  clock.advance(3) // from here on their connections have no parser
  const begun = performance.now()
  await hub.stop()
  assert.ok(performance.now() - begun < 3000)
  for (const { answer } of polls) {
    const { status, headers, text } = await answer
    assert.deepEqual([status, (JSON.parse(text) as { code: string }).code], [503, 'shutting-down'])
    const retryAfter = Number(headers.get('retry-after'))
    assert.ok(retryAfter >= 1 && retryAfter <= 1 + limits.reconnectSpreadSeconds, `${retryAfter}`)
  }
})

test('what is refused is refused with a sentence', async (t) => {
  const hub = await startHub(t)
  await moor(t, hub, 'machine')
  await pollsOf(hub)('')
  const refusals: [path: string, status: number, code: string][] = [
    ['/v1/session/messages?filter=a', 400, 'request-invalid'],
    ['/v1/session/messages?client=page&wait=61', 400, 'request-invalid'],
    ['/v1/session/messages?client=page&wait=-1', 400, 'request-invalid'],
    ['/v1/session/messages?client=page&filter=a%23', 400, 'filter-invalid'],
    ['/v1/session/messages?client=page&after=here', 400, 'cursor-invalid'],
    ['/v1/session/messages?client=new&after=here', 400, 'cursor-invalid'],
    ['/v1/session/messages?client=machine', 409, 'session-elsewhere'],
    ['/v1/devices/machine/commands?wait=0', 409, 'session-elsewhere'],
    ['/v1/devices/a%20b/commands?wait=0', 400, 'device-id-invalid'],
  ]
  for (const [path, status, code] of refusals) {
    const answer = await overHttp1(hub.url + path)
    const problem = await jsonOf(answer)
    assert.deepEqual([path, answer.status, problem['code']], [path, status, code])
  }
  const gap = await polledGap(hub)
  assert.deepEqual([gap.is, gap['asked']], ['gap', '4711.1'])
})

async function polledGap(hub: TestHub): Promise<HubFrame> {
  const body = await jsonOf(await overHttp1(`${hub.url}/v1/session/messages?client=page&wait=30&after=4711.1`))
  return (body['messages'] as HubFrame[])[0] as HubFrame
}

test('a device asks for its commands, and its next request says that it has them', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const commands = async (wait = 0, more = '') => {
    const body = await jsonOf(await overHttp1(`${hub.url}/v1/devices/pump-7/commands?wait=${wait}${more}`))
    return { ids: (body['commands'] as HubFrame[]).map((frame) => frame['id']), body }
  }
  const operator = await moor(t, hub, 'operator')
  const send = (id: string) => operator.publish(`devices/pump-7/commands/${id}`, `{"name":"stop","params":{"n":1}}`, { qos: 1 })
  assert.deepEqual((await commands()).ids, [], 'from now on they wait for it')
  await send('c1')
  await send('c2')
  const { ids, body } = await commands()
  assert.deepEqual(ids, ['c1', 'c2'])
  const [first] = body['commands'] as HubFrame[]
  assert.deepEqual([first?.is, first?.['name'], first?.['params']], ['command', 'stop', { n: 1 }])
  assert.deepEqual((await commands()).ids, [])
  await send('c3')
  clock.advance(3600) // it sleeps for an hour
  const before = (await commands()).body['cursor']
  clock.advance(3600)
  await send('c4')
  assert.deepEqual((await commands()).ids, ['c4'], 'what the request before brought is not brought again')
  assert.deepEqual((await commands(0, `&after=${before}`)).ids, ['c4'], 'unless it says so')
  const waiting = commands(60)
  await send('c5')
  assert.deepEqual((await waiting).ids, ['c5'])
})

test('a device that speaks MQTT later begins anew there', async (t) => {
  const hub = await startHub(t)
  await bodyOf(await overHttp1(`${hub.url}/v1/devices/pump-7/commands?wait=0`))
  const { answer } = held(t, `${hub.url}/v1/devices/pump-7/commands?wait=60`)
  const device = await moor(t, hub, 'pump-7')
  assert.equal((await answer).status, 409)
  await device.ping()
})

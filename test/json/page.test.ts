// The JSON protocol as a page in a real browser meets it: served by the hub, held to the hub's content security policy, no library.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { openPage } from '../dashboard/browser.ts'
import { newFolder, spawnHub, startHub, type TestHub } from '../kit/hub.ts'
import { moor, type TestClient } from '../kit/mqtt.ts'

interface Frame {
  readonly is: string
  readonly id?: string
  readonly topic?: string
  readonly payload?: unknown
  readonly cursor?: string
}

/** What runs in the page. */
declare global {
  interface Window {
    session: WebSocket
    fromSession: Frame[]
    fromEvents: Frame[]
    /** How often the stream of events was opened. */
    opened: number
  }
}

const waitMs = 20_000

/** Opens a session over WebSocket that takes `to-page/#`. */
async function openSession(page: Page): Promise<void> {
  await page.evaluate(() => {
    window.fromSession = []
    window.session = new WebSocket('/v1/session', 'mooring.json')
    window.session.onmessage = ({ data }) => window.fromSession.push(JSON.parse(data as string))
    window.session.onopen = () => window.session.send(JSON.stringify({ is: 'hello', client: 'page', subscribe: [{ filter: 'to-page/#' }] }))
  })
  await page.waitForFunction(() => window.fromSession.some(({ is }) => is === 'welcome'), undefined, { timeout: waitMs })
}

/** Follows `to-page/#` as events. */
async function openEvents(page: Page): Promise<void> {
  await page.evaluate(() => {
    window.fromEvents = []
    window.opened = 0
    const source = new EventSource('/v1/messages?filter=to-page/%23')
    source.addEventListener('welcome', () => window.opened++)
    source.onmessage = ({ data }) => window.fromEvents.push(JSON.parse(data as string))
  })
  await page.waitForFunction(() => window.opened === 1, undefined, { timeout: waitMs })
}

/** The payloads of the messages that came one way or the other, once there are so many. */
async function payloads(page: Page, way: 'fromSession' | 'fromEvents', count: number): Promise<unknown[]> {
  const messages = await page.waitForFunction(
    ([from, enough]) => {
      const found = window[from as 'fromEvents'].filter(({ is }) => is === 'message')
      return found.length >= Number(enough) ? found : undefined
    },
    [way, count] as const,
    { timeout: waitMs },
  )
  return ((await messages.jsonValue()) as Frame[]).map(({ payload }) => payload)
}

async function publishAll(client: TestClient, numbers: readonly number[]): Promise<void> {
  for (const n of numbers) await client.publish('to-page/n', `{"n":${n}}`, { qos: 1 })
}

const numbersOf = (values: readonly unknown[]) => values.map((value) => (value as { n: number }).n)

async function talksBothWays(page: Page, pump: TestClient): Promise<void> {
  await openSession(page)
  await openEvents(page)
  await pump.subscribe('from-page/#', { qos: 1 })
  await publishAll(pump, [1, 2, 3])
  assert.deepEqual(numbersOf(await payloads(page, 'fromSession', 3)), [1, 2, 3])
  assert.deepEqual(numbersOf(await payloads(page, 'fromEvents', 3)), [1, 2, 3])
  const cursors = await page.evaluate(() =>
    [window.fromSession, window.fromEvents].map((frames) => frames.flatMap(({ is, cursor }) => (is === 'message' ? [cursor] : []))),
  )
  assert.deepEqual(cursors[0], cursors[1], 'one cursor on both')

  await page.evaluate(() =>
    window.session.send(JSON.stringify({ is: 'publish', topic: 'from-page/1', payload: { pressed: true }, id: 'p1' })),
  )
  const bySession = await pump.next('publish')
  assert.deepEqual([bySession.topic, bySession.payload.toString()], ['from-page/1', '{"pressed":true}'])
  await page.waitForFunction(() => window.fromSession.some(({ is, id }) => is === 'ack' && id === 'p1'), undefined, { timeout: waitMs })

  const answered = await page.evaluate(async () => {
    const response = await fetch('/v1/publish', { method: 'POST', body: '{"topic":"from-page/2","text":"by fetch"}' })
    return response.json() as Promise<{ stored: number }>
  })
  assert.equal(answered.stored, 1)
  assert.equal((await pump.next('publish')).payload.toString(), 'by fetch')
}

test('a page and a device talk both ways, over WebSocket, events and fetch', async (t) => {
  const hub = await startHub(t)
  const { page, complaints } = await openPage(t, `${hub.url}/docs`)
  await talksBothWays(page, await moor(t, hub, 'pump-7', 5))
  assert.deepEqual(complaints, [])
})

test('a page that came over TLS does the same, and its requests go over HTTP/2', async (t) => {
  const hub = await startHub(t, { httpsPort: 0 })
  const { page, complaints } = await openPage(t, `https://127.0.0.1:${hub.hub.listeners.https?.port}/docs`, { trusting: true })
  const protocol = await page.context().newCDPSession(page)
  await protocol.send('Network.enable')
  const handshakes: number[] = []
  protocol.on('Network.webSocketHandshakeResponseReceived', ({ response }) => handshakes.push(response.status))

  await talksBothWays(page, await moor(t, hub, 'pump-7', 5))
  const spoken = await page.evaluate(() =>
    performance.getEntriesByType('resource').flatMap((entry) => {
      const { name, nextHopProtocol } = entry as PerformanceResourceTiming
      return name.includes('/v1/publish') ? [nextHopProtocol] : []
    }),
  )
  assert.deepEqual(spoken, ['h2'])
  // 200 to the CONNECT of RFC 8441, 101 to the upgrade of HTTP/1.1: which of them is the browser's choice.
  assert.equal(handshakes.length, 1)
  assert.ok(handshakes[0] === 200 || handshakes[0] === 101, String(handshakes[0]))
  t.diagnostic(`the WebSocket came over ${handshakes[0] === 200 ? 'HTTP/2 (RFC 8441)' : 'HTTP/1.1'}`)
  assert.deepEqual(complaints, [])
})

for (const [what, end] of [
  ['was restarted', (hub: TestHub) => hub.stop()],
  ['was killed', (hub: TestHub) => (hub as Awaited<ReturnType<typeof spawnHub>>).kill()],
] as const) {
  test(`the events of a page go on by themselves after the hub ${what}: no gap, no duplicate`, async (t) => {
    const folder = newFolder(t)
    const before = await spawnHub(t, folder)
    const { page } = await openPage(t, `${before.url}/docs`)
    await openEvents(page)
    await publishAll(await moor(t, before, 'pump-7', 5), [1, 2, 3])
    await payloads(page, 'fromEvents', 3)
    await end(before)

    const after = await spawnHub(t, folder, '--http-port', new URL(before.url).port)
    const pump = await moor(t, after, 'pump-7', 5)
    await publishAll(pump, [4, 5, 6]) // the page is not back yet, as a rule: it reads these up
    await page.waitForFunction(() => window.opened === 2, undefined, { timeout: waitMs })
    await publishAll(pump, [7, 8, 9])
    assert.deepEqual(numbersOf(await payloads(page, 'fromEvents', 9)), [1, 2, 3, 4, 5, 6, 7, 8, 9])
  })
}

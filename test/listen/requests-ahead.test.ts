// Requests that are sent on one HTTP/1.1 connection before the answers to those before them: RFC 9112 section 9.3.2.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, type TestContext, test } from 'node:test'
import { limits } from '../../hub/limits.ts'
import { startHub } from '../kit/hub.ts'

const hub = await startHub({ after } as unknown as TestContext)

async function refused(): Promise<number | undefined> {
  const { refusals } = (await hub.get('/v1/hub')) as { refusals: { code: string; count: number }[] }
  return refusals.find(({ code }) => code === 'too-many-requests')?.count
}

const get = (path: string, field = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${field}\r\n`

/** All that the hub says to it, until it closes. */
async function say(t: TestContext, requests: string): Promise<string> {
  const socket = connect({ port: Number(new URL(hub.url).port), host: '127.0.0.1' })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  let said = ''
  socket.on('data', (chunk) => {
    said += chunk
  })
  socket.write(requests)
  await new Promise((resolve) => socket.once('close', resolve)) // whatever it is told before
  return said
}

test('as many as there may be are answered in their order, and a connection may bring as many again', async (t) => {
  const paths = Array.from({ length: limits.requestsAhead - 1 }, (_, at) => `/v1/none-${at}`)
  const said = await say(t, `${paths.map((path) => get(path)).join('')}${get('/healthz', 'Connection: close\r\n')}`)
  assert.deepEqual(
    [...said.matchAll(/\/v1\/none-\d+/g)].map(([path]) => path),
    paths,
  )
  assert.match(said, /HTTP\/1\.1 200 OK[\s\S]*$/)

  const socket = connect({ port: Number(new URL(hub.url).port), host: '127.0.0.1' })
  t.after(() => socket.destroy())
  for (let round = 0; round < 3; round++) {
    socket.write(get('/healthz').repeat(limits.requestsAhead))
    for (let answered = 0; answered < limits.requestsAhead; ) {
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      answered += chunk.toString().split('HTTP/1.1 200 OK').length - 1
    }
  }
  assert.equal(await refused(), 0)
})

test('one more closes the connection, and is counted once, however many follow', async (t) => {
  const held = get('/v1/session/messages?client=ahead&filter=none&wait=60')
  assert.equal(await say(t, held + get('/healthz').repeat(50 * limits.requestsAhead)), '')
  assert.equal(await refused(), 1)
  assert.equal((await fetch(`${hub.url}/healthz`)).status, 200)
})

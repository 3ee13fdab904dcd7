// mooring pub and mooring sub, as processes against a hub: bytes as they are, history, cuts, and a screen.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { lineOf } from '../../hub/cli/message-line.ts'
import { widthOf } from '../../hub/cli/table.ts'
import { newFolder, spawnHub, startHub } from '../kit/hub.ts'
import { type Run, run, start, startOnTerminal } from './run.ts'
import { listening } from './stand-in.ts'

interface Line {
  readonly topic: string
  readonly payload?: unknown
  readonly text?: string
  readonly base64?: string
}

function linesOf(text: string): Line[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)
}

/** Resolves once the process has printed this. */
async function printed(one: Run, pattern: RegExp, where: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
  const text = () => (where === 'stdout' ? one.stdout().toString() : one.stderr())
  const stream = where === 'stdout' ? one.child.stdout : one.child.stderr
  while (!pattern.test(text())) {
    if (one.child.exitCode !== null) assert.fail(`it ended, having printed ${text()} ${one.stderr()}`)
    await once(stream!, 'data', { signal: AbortSignal.timeout(20_000) })
  }
}

test('what is published is there byte for byte, from the command line and from stdin', async (t) => {
  const hub = await startHub(t)
  const pub = (args: readonly string[], stdin = '') => run(t, ['pub', '--url', hub.url, ...args], stdin)
  const first = await pub(['a/json', '{"n": 1.50}'])
  assert.deepEqual([first.code, first.stdout], [0, ''])
  assert.match(first.stderr, /^mooring: published and on disk, at \d+\.\d+\.\n$/)
  assert.equal((await pub(['a/stdin', '-'], 'from a pipe\n')).code, 0)
  assert.equal((await pub(['a/dash', '-', '--text'])).code, 0)
  assert.equal((await pub(['a/bytes', '/wD-', '--base64'])).code, 0)
  assert.equal((await pub(['a/bytes', '-', '--base64'], '/w\nDx\n')).code, 0)
  assert.equal((await pub(['a/minus', '--qos', '2', '--', '-5'])).code, 0)
  assert.equal((await pub(['a/state', 'on', '--retain'])).code, 0)
  assert.match((await pub(['a/gone', 'x', '--qos', '0'])).stderr, /at QoS 0 it is not kept/)
  assert.equal(JSON.parse((await pub(['a/kept', 'ü', '--json'])).stdout).stored, 1)
  assert.deepEqual(
    await hub.get('/v1/retained?filter=a/%23').then((answer) => (answer as { messages: Line[] }).messages.map(({ text }) => text)),
    ['on'],
  )

  const { stdout, code } = await run(t, ['sub', 'a/#', '--last', '100', '--count', '8', '--url', hub.url])
  assert.equal(code, 0)
  const found = linesOf(stdout).map(({ topic, payload, text, base64 }) => [topic, payload ?? text ?? base64])
  assert.deepEqual(found, [
    ['a/json', { n: 1.5 }],
    ['a/stdin', 'from a pipe\n'],
    ['a/dash', '-'],
    ['a/bytes', '/wD+'],
    ['a/bytes', '/wDx'],
    ['a/minus', -5],
    ['a/state', 'on'],
    ['a/kept', 'ü'],
  ])

  const cases: [string[], number, RegExp][] = [
    [['a'], 2, /PAYLOAD is missing/],
    [['a/#', 'x'], 1, /the hub refused: .*wildcard|the hub refused/],
    [['a', 'x', '--qos', '3'], 1, /the hub refused/],
    [['a', 'no base64!', '--base64'], 2, /PAYLOAD is no base64/],
    [['a', 'x', '--base64', '--text'], 2, /not both/],
    [['a', '-5'], 2, /--/],
  ]
  for (const [args, exit, sentence] of cases) {
    const wrong = await pub(args)
    assert.deepEqual([wrong.code, wrong.stdout], [exit, ''], args.join(' '))
    assert.match(wrong.stderr, sentence)
  }
})

test('several filters, from a time on, and an end after so many', async (t) => {
  const hub = await startHub(t)
  const send = (topic: string, payload: number) => hub.post('/v1/publish', { topic, payload })
  for (const [topic, n] of [
    ['a', 1],
    ['b', 2],
    ['c', 3],
    ['a', 4],
  ] as const)
    await send(topic, n)
  const sub = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(t, ['sub', ...args, '--url', hub.url])
    assert.equal(code, 0, stderr)
    return linesOf(stdout).map(({ payload }) => payload)
  }
  assert.deepEqual(await sub('a', 'b', '--since', '1h', '--count', '3'), [1, 2, 4])
  assert.deepEqual(await sub('#', '--last', '2', '--count', '2'), [3, 4])
  const live = start(t, 'sub', 'a', '--last', '1', '--url', hub.url)
  await printed(live, /4/)
  await send('a', 5)
  await printed(live, /"payload":5/)
  live.child.kill('SIGINT')
  assert.equal(await live.done, 130)
  assert.equal(live.stderr(), 'mooring: stopped.\n')
  const cases: [string[], number, RegExp][] = [
    [['sub'], 2, /FILTER is missing/],
    [['sub', 'a', '--count', '0'], 2, /--count takes/],
    [['sub', 'a', '--last', '1', '--since', '1h'], 2, /not both/],
    [['sub', 'a/#/b'], 1, /the hub refused/],
    [['sub', 'a', '--since', 'never'], 1, /the hub refused/],
  ]
  for (const [args, exit, sentence] of cases) {
    const wrong = await run(t, [...args, '--url', hub.url])
    assert.deepEqual([wrong.code, wrong.stdout], [exit, ''], args.join(' '))
    assert.match(wrong.stderr, sentence)
  }
  assert.equal((await run(t, ['sub', 'a', '--url', 'http://127.0.0.1:1'])).code, 1)
})

test('a hub that is killed and started again is gone on with: no gap, no message twice', { timeout: 60_000 }, async (t) => {
  const folder = newFolder(t)
  const hub = await spawnHub(t, folder)
  const port = new URL(hub.url).port
  const send = async (url: string, n: number) =>
    assert.equal((await fetch(`${url}/v1/publish?topic=a`, { method: 'POST', body: `${n}` })).status, 200)
  await send(hub.url, 0)
  const one = start(t, 'sub', 'a', '--last', '1', '--count', '5', '--url', hub.url)
  await printed(one, /"payload":0/)
  await send(hub.url, 1)
  await printed(one, /"payload":1/)
  await hub.kill()
  await printed(one, /going on from/, 'stderr')
  const again = await spawnHub(t, folder, '--http-port', port)
  await send(again.url, 2)
  await send(again.url, 3)
  await printed(one, /"payload":3/)
  await send(again.url, 4)
  assert.equal(await one.done, 0)
  assert.deepEqual(
    linesOf(one.stdout().toString()).map(({ payload }) => payload),
    [0, 1, 2, 3, 4],
  )
  assert.match(one.stderr(), /^mooring: (the connection was cut|the hub ended it); going on from \d+\.\d+\.\nmooring: connected again\.\n$/)
})

/** A hub that answers event streams as it is told, one request after the other. */
async function scripted(t: TestContext, ...answers: ((request: IncomingMessage, response: ServerResponse) => void)[]) {
  const asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    const answer = answers[asked.push(request) - 1]
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    answer?.(request, response)
  })
  return { asked, url: await listening(t, server) }
}

const message = (n: number, id: string) => `id: ${id}\ndata: {"is":"message","topic":"a","payload":${n},"qos":1,"at":1}\n\n`

test('events in pieces, a cut within one, and a farewell with a place: each message once', async (t) => {
  const { url, asked } = await scripted(
    t,
    (_, response) => {
      response.write('retry: 10\nid: 7.1\nevent: welcome\ndata: {"is":"welcome"}\n\n')
      for (const byte of Buffer.from(message(1, '7.2').replace('"a"', '"ü"'))) response.write(Uint8Array.of(byte))
      response.end(message(2, '7.3').slice(0, 40)) // half of it
    },
    (_, response) =>
      response.end(
        `${message(2, '7.3')}:\n\nid: 7.9\n\nretry: 10\nevent: error\ndata: {"is":"error","code":"x","detail":"It stops.","retry":true}\n\n`,
      ),
    (_, response) =>
      response.write(
        `event: gap\ndata: {"is":"gap","detail":"pruned"}\n\n${message(3, '8.1')}event: error\ndata: {"is":"error","detail":"Not any more.","retry":false}\n\n`,
      ),
  )
  const { code, stdout, stderr } = await run(t, ['sub', 'a', '--url', url])
  assert.deepEqual(
    linesOf(stdout).map(({ topic, payload }) => [topic, payload]),
    [
      ['ü', 1],
      ['a', 2],
      ['a', 3],
    ],
  )
  assert.deepEqual(
    asked.map(({ headers }) => headers['last-event-id']),
    [undefined, '7.2', '7.9'],
  )
  assert.deepEqual(stderr.split('\n'), [
    'mooring: the hub ended it; going on from 7.2.',
    'mooring: connected again.',
    'mooring: the hub ended it (It stops); going on from 7.9.',
    'mooring: connected again.',
    'mooring: some messages are not there any more: pruned.',
    'mooring: the hub refused: Not any more.',
    '',
  ])
  assert.equal(code, 1)
})

test('what is no hub is not listened to', async (t) => {
  const server = createServer((_, response) => response.end('<h1>Welcome</h1>'))
  const url = await listening(t, server)
  const { code, stderr } = await run(t, ['sub', 'a', '--url', url])
  assert.deepEqual([code, stderr], [1, `mooring: what answers at ${url} is no hub.\n`])
})

test('a key that is revoked ends it', async (t) => {
  const folder = newFolder(t)
  const open = await startHub(t, { data: folder })
  const key = (await run(t, ['keys', 'create', 'vera', '--url', open.url])).stdout.trim()
  const one = start(t, 'sub', 'a', '--last', '1', '--key', key, '--url', open.url)
  const seen = open.post('/v1/publish', { topic: 'a', payload: 1 })
  await seen
  await printed(one, /"payload":1/)
  const { credentials } = (await open.get('/v1/keys')) as { credentials: { id: string }[] }
  assert.equal((await run(t, ['keys', 'revoke', credentials[0]!.id, '--url', open.url])).code, 0)
  assert.equal(await one.done, 1)
  assert.match(one.stderr(), /^mooring: the hub refused: The credential .*revoked\.\n$/)
})

test('whoever has seen enough of a pipe ends it without a word', async (t) => {
  const hub = await startHub(t)
  const one = start(t, 'sub', 'a', '--last', '1', '--url', hub.url)
  await hub.post('/v1/publish', { topic: 'a', payload: 0 })
  await printed(one, /0/)
  one.child.stdout?.destroy()
  for (let isOpen = true; isOpen; isOpen = one.child.exitCode === null)
    await hub.post('/v1/publish', { topic: 'a', payload: 'x'.repeat(1000) })
  assert.equal(await one.done, 0)
  assert.equal(one.stderr(), '')
})

test('on a terminal each message is a line of the screen, in colours', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/publish', { topic: 'plant/a', payload: { speed: 21.5, on: true, name: 'x'.repeat(100) } })
  const one = startOnTerminal(t, 60, 'sub', 'plant/#', '--last', '1', '--count', '1', '--url', hub.url)
  if (one === undefined) {
    t.skip('there is no script(1), which makes a terminal')
    return
  }
  assert.equal(await one.done, 0)
  const line = one.stdout().toString().split('\r\n')[0] ?? ''
  assert.ok(line.includes('\u001b[34m"speed"\u001b[0m:\u001b[33m21.5\u001b[0m'), line)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
  const plain = line.replaceAll(/\u001b\[\d+m/g, '')
  assert.match(plain, /^\d\d:\d\d:\d\d\.\d{3} {2}plant\/a {2}\{"speed":21\.5,"on":true,"name":"x+…$/)
  assert.equal(plain.length, 60)
})

test('a line of the screen: what a device sends does not steer it, and it is never wider', () => {
  const frames = [
    { topic: 'a', at: 0, text: '\u001b[2Jgone\n' },
    { topic: 'a/'.repeat(100), at: 0, payload: { 水: '水'.repeat(50) } },
    { topic: 'a', at: 0, base64: '/wD+', retain: true },
    { topic: 'a', at: 0, payload: 'tail "quoted" \\' },
  ]
  for (const frame of frames) {
    for (const width of [30, 40, 80]) {
      const plain = lineOf(frame, width, false)
      assert.ok(widthOf(plain) <= width, `${width}: ${plain}`)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
      assert.doesNotMatch(plain, /[\u0000-\u001f]/)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
      assert.equal(lineOf(frame, width, true).replaceAll(/\u001b\[\d+m/g, ''), plain, 'colours change no text')
    }
  }
  assert.match(lineOf(frames[0]!, 80, false), /\\u001b\[2Jgone\\n$/)
  assert.match(lineOf(frames[2]!, 80, false), /a \(retained\) {2}base64 \/wD\+$/)
})

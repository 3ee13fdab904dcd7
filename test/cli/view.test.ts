// mooring sub --view, on a terminal: what stands there, what keys do, and that the terminal is given back whatever ends it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import type { MessageFrame } from '../../hub/cli/message-line.ts'
import { widthOf } from '../../hub/cli/table.ts'
import { Topics } from '../../hub/cli/topics.ts'
import { ageOf, orderedBy, payloadLines, tableLines } from '../../hub/cli/view-lines.ts'
import { type InProcessHub, startHub } from '../kit/hub.ts'
import { within } from '../kit/log.ts'
import { type Run, run, startOnTerminal } from './run.ts'
import { TerminalScreen } from './screen.ts'
import { listening } from './stand-in.ts'

const keys = {
  up: '\u001b[A',
  down: '\u001b[B',
  pageUp: '\u001b[5~',
  pageDown: '\u001b[6~',
  end: '\u001b[F',
  escape: '\u001b',
  enter: '\r',
}

interface View extends Run {
  readonly screen: () => TerminalScreen
  /** Resolves once the screen says so. */
  shows(pattern: RegExp): Promise<TerminalScreen>
  press(...keys: string[]): void
  /** Of the command itself. */
  readonly pid: number
}

/** Skips the test where there is no script(1). */
async function viewOn(t: TestContext, columns: number, url: string, ...args: string[]): Promise<View | undefined> {
  const one = startOnTerminal(t, columns, 'sub', '--view', ...args, '--url', url)
  if (one === undefined) {
    t.skip('there is no script(1), which makes a terminal')
    return undefined
  }
  const screen = () => new TerminalScreen(one.stdout().toString())
  const shows = (pattern: RegExp) =>
    within(`a screen that shows ${pattern}`, async () => {
      while (!pattern.test(screen().text)) {
        if (one.child.exitCode !== null) assert.fail(`it ended, having shown ${JSON.stringify(one.stdout().toString())}`)
        await once(one.child.stdout!, 'data')
      }
      return screen()
    }).catch((error: Error) => assert.fail(`${error.message}:\n${screen().text}`))
  await shows(/topic +messages/)
  const pid = Number(readFileSync(`/proc/${one.child.pid}/task/${one.child.pid}/children`, 'utf8').trim().split(' ')[0])
  return { ...one, screen, shows, press: (...typed) => one.child.stdin?.write(typed.join('')), pid }
}

function isGivenBack(one: Run): void {
  const { modes } = new TerminalScreen(
    one
      .stdout()
      .toString()
      .replace(/\r\nSession terminated.*$/s, ''),
  )
  assert.deepEqual(
    ['?1049', '?25', '?7'].map((mode) => modes.get(mode)),
    [false, true, true],
    'the other screen, the cursor, the breaking of lines',
  )
}

async function publish(hub: InProcessHub, topic: string, payload: unknown): Promise<void> {
  assert.equal((await hub.post('/v1/publish', { topic, payload })).status, 200)
}

/** Topics in the order they stand on the screen. */
function topicsOn(screen: TerminalScreen): string[] {
  return screen.lines.slice(2, -1).flatMap((line) => /^[* ] (\S+)/.exec(line)?.[1] ?? [])
}

test('each topic is a line, with its count and its newest payload; keys sort, filter, stop and open', async (t) => {
  const hub = await startHub(t)
  await publish(hub, 'plant/b', { speed: 1 })
  const one = await viewOn(t, 80, hub.url, 'plant/#', '--last', '1')
  if (one === undefined) return
  await one.shows(/plant\/b +1 .*\{"speed":1\}/)
  await publish(hub, 'plant/a', 'hello')
  await publish(hub, 'plant/b', { speed: 2, deep: { er: [1, 2] } })
  await publish(hub, 'plant/c', 7)
  const first = await one.shows(/^\* plant\/c/m)
  assert.deepEqual(topicsOn(first), ['plant/a', 'plant/b', 'plant/c'])
  assert.match(first.text, /^plant\/#: 3 topics, 4 messages, [\d.]+\/s, by topic$/m)
  assert.match(first.text, /^. plant\/b +2 +[\d.]+ +\d s {2}\{"speed":2,"deep":\{"er":\[1,2\]\}\}$/m)
  assert.equal(first.lines.length, 24)
  await one.shows(/^ {2}plant\/c/m) // new no more

  one.press('s')
  assert.equal(topicsOn(await one.shows(/by rate/))[0], 'plant/b')
  one.press('s')
  assert.equal(topicsOn(await one.shows(/by age/))[0], 'plant/c')
  one.press('s')
  await one.shows(/by topic/)

  one.press('/', 'PLANT/b')
  assert.deepEqual(topicsOn(await one.shows(/1 of 3 topics/)), ['plant/b'])
  one.press('\u007f', 'x')
  await one.shows(/0 of 3 topics/)
  one.press(keys.escape)
  await one.shows(/: 3 topics/)

  one.press(keys.down, keys.enter)
  const payload = await one.shows(/"er": \[/)
  assert.deepEqual(payload.lines.slice(0, 4), ['plant/b', payload.lines[1], '{', '  "speed": 2,'])
  await publish(hub, 'plant/b', { speed: 3 })
  await one.shows(/^ {2}"speed": 3$/m)
  one.press(keys.escape)
  await one.shows(/: 3 topics, 5 messages/)

  one.press('p')
  await one.shows(/paused/)
  await publish(hub, 'plant/d', 1)
  one.press('s')
  assert.deepEqual(topicsOn(await one.shows(/by rate, paused/)).length, 3)
  one.press('p')
  await one.shows(/plant\/d/)
  one.press('q')
  assert.equal(await one.done, 0)
  isGivenBack(one)
})

test('many topics are scrolled through, and a terminal that changes its size is drawn anew', async (t) => {
  const hub = await startHub(t)
  const names = Array.from({ length: 60 }, (_, at) => `t/${String(at).padStart(2, '0')}`)
  for (const name of names) await publish(hub, name, 1)
  const one = await viewOn(t, 60, hub.url, 't/#', '--last', '60')
  if (one === undefined) return
  assert.deepEqual(topicsOn(await one.shows(/60 topics/)), names.slice(0, 21))
  one.press(keys.pageDown)
  await one.shows(/t\/21/)
  one.press(keys.end)
  assert.deepEqual(topicsOn(await one.shows(/t\/59/)), names.slice(39))
  const terminal = readlinkSync(`/proc/${one.pid}/fd/1`)
  const sizeAs = (rows: number, columns: number) =>
    assert.equal(spawnSync('stty', ['-F', terminal, 'rows', `${rows}`, 'cols', `${columns}`]).status, 0)
  const before = one.stdout().length
  sizeAs(10, 30)
  const small = () => new TerminalScreen(one.stdout().subarray(before).toString())
  await within('a small screen', async () => {
    while (!/t\/59/.test(small().text)) await once(one.child.stdout!, 'data')
  })
  assert.deepEqual(topicsOn(small()), names.slice(53))
  for (const line of small().lines) assert.ok(line.length <= 30, line)
  one.press(keys.pageUp, keys.pageUp, keys.up)
  await one.shows(/t\/44/)
  one.press('q')
  assert.equal(await one.done, 0)
})

test('only lines that changed are written, and at most ten times a second', async (t) => {
  const hub = await startHub(t)
  for (let at = 0; at < 20; at++) await publish(hub, `t/${at}`, 1)
  const one = await viewOn(t, 80, hub.url, 't/#', '--last', '20')
  if (one === undefined) return
  await one.shows(/20 topics/)
  const [startMs, before] = [performance.now(), one.stdout().length]
  for (let n = 0; n < 300; n++) await publish(hub, 't/7', n)
  await one.shows(/t\/7 +301 /)
  const written = one.stdout().subarray(before).toString()
  const draws = written.split('\u001b[1;1H').length - 1 // the head counts all messages
  const seconds = (performance.now() - startMs) / 1000
  assert.ok(draws <= 10 * seconds + 2, `${draws} in ${seconds} s`)
  assert.ok(draws >= 2)
  const others = written.split(/t\/1 /).length - 1 // with each second its age, its rate and its mark
  assert.ok(others < draws && others <= 3 * seconds + 3, `${others} in ${seconds} s, of ${draws}`)
  one.press('q')
  await one.done
})

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGHUP', 129],
  ['SIGINT', 130],
] as const) {
  test(`the terminal is given back at ${signal}`, async (t) => {
    const hub = await startHub(t)
    const one = await viewOn(t, 80, hub.url, 'a')
    if (one === undefined) return
    process.kill(one.pid, signal)
    assert.equal(await one.done, code)
    isGivenBack(one)
  })
}

test('Ctrl-C ends it as it ends everything', async (t) => {
  const hub = await startHub(t)
  const one = await viewOn(t, 80, hub.url, 'a')
  if (one === undefined) return
  one.press('\u0003')
  assert.equal(await one.done, 130)
  isGivenBack(one)
  assert.match(one.stdout().toString(), /mooring: stopped\.\r\n$/)
})

const message = (n: number, id: string) => `id: ${id}\ndata: {"is":"message","topic":"a","payload":${n},"qos":1,"at":1}\n\n`

/** A hub that answers event streams as it is told, one request after the other. */
function scripted(t: TestContext, ...answers: ((response: ServerResponse) => void)[]): Promise<string> {
  let asked = 0
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    answers[asked++]?.(response)
  })
  return listening(t, server)
}

test('it goes on over a cut, which stands at the foot, and what a hub refuses for good is said when the screen is back', async (t) => {
  let last: ServerResponse | undefined
  const url = await scripted(
    t,
    (response) => response.end(`retry: 500\n${message(1, '7.1')}`),
    (response) => {
      response.write(message(2, '7.2'))
      last = response
    },
  )
  const one = await viewOn(t, 80, url, 'a')
  if (one === undefined) return
  await one.shows(/connected again\.$/m)
  assert.match(one.stdout().toString(), /the hub ended it; going on from 7\.1\./)
  await one.shows(/^. a +2 /m)
  last?.end('event: error\ndata: {"is":"error","detail":"Not any more.","retry":false}\n\n')
  assert.equal(await one.done, 1)
  isGivenBack(one)
  assert.match(one.stdout().toString(), /mooring: the hub refused: Not any more\.\r\n$/)
})

test('what steers a terminal does not come through, from a topic or a payload', async (t) => {
  const frame = { is: 'message', topic: 'a\u001b]0;x\u0007/\u009b2J', text: '\u001b[2Jgone\nand\ttab\u0000', qos: 1, at: 1 }
  const url = await scripted(t, (response) => response.write(`id: 7.1\ndata: ${JSON.stringify(frame)}\n\n`))
  const one = await viewOn(t, 100, url, 'a/#')
  if (one === undefined) return
  const table = await one.shows(/gone/) // a screen that does not know what it is told fails the test
  assert.match(table.text, /a\\u001b\]0;x\\u0007\/\\u009b2J/)
  assert.match(table.text, /\\u001b\[2Jgone\\nand\\ttab\\u0000$/m)
  one.press(keys.enter)
  assert.match((await one.shows(/gone\n/)).text, /^\\u001b\[2Jgone\nand\\ttab\\u0000$/m)
  one.press('q')
  assert.equal(await one.done, 0)
})

test('where stdout is no terminal, or JSON is wanted, there is a sentence and exit code 2', async (t) => {
  for (const args of [
    ['sub', '--view', 'a'],
    ['sub', '--view', '--json', 'a'],
  ]) {
    const { code, stdout, stderr } = await run(t, args)
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /^mooring: --view is for a terminal, without --json \(mooring sub --help\)\.\n$/)
  }
})

test('as many topics are kept as may be, those that were heard last, and the head says how many are gone', () => {
  const topics = new Topics()
  const hear = (topic: string, nowMs: number, more: Partial<MessageFrame> = {}) => topics.take({ topic, at: 0, payload: 1, ...more }, nowMs)
  for (let at = 0; at < 10_000; at++) hear(`t/${at}`, 0)
  hear('t/0', 1)
  hear('t/more', 2)
  const names = topics.lines(2, 0).map(({ topic }) => topic)
  assert.deepEqual([topics.size, topics.forgotten, topics.messages], [10_000, 1, 10_002])
  assert.ok(names.includes('t/0') && names.includes('t/more') && !names.includes('t/1'))
  hear('long', 3, { payload: 'x'.repeat(20_000) })
  const long = topics.lines(3, 0).at(-1)
  assert.deepEqual([long?.text.length, long?.left], [8192, 20_002 - 8192])
})

test('a rate is of the last ten seconds, or of as many as the topic is old', () => {
  const topics = new Topics()
  const rateAt = (nowMs: number) => topics.lines(nowMs, nowMs)[0]?.perSecond
  const hear = (nowMs: number) => topics.take({ topic: 'a', at: nowMs, payload: 1 }, nowMs)
  for (let at = 0; at < 20; at++) hear(5000 + at)
  assert.equal(rateAt(5500), 20)
  assert.equal(rateAt(6500), 10)
  for (let second = 6; second < 30; second++) for (let at = 0; at < 3; at++) hear(second * 1000 + at)
  assert.equal(rateAt(29_900), 3)
  assert.equal(rateAt(35_000), 1.2)
  assert.equal(rateAt(60_000), 0)
})

test('lines are never wider than the screen, however wide the letters are, and as many as it has rows', () => {
  const topics = new Topics()
  const texts = ['\u001b[2J', '水'.repeat(100), '👩‍🚀 ok', 'plain', '', 'a'.repeat(50_000)]
  for (const [at, text] of texts.entries()) topics.take({ topic: `${'水/'.repeat(at * 5)}${at}`, at: 0, text }, at)
  const lines = orderedBy('age', topics.lines(10, 100_000_000_000))
  for (const columns of [2, 7, 20, 40, 80, 200]) {
    for (const rows of [1, 2, 3, 5, 24]) {
      const size = { columns, rows }
      const drawn = tableLines({ lines, selected: 1, top: 0, head: 'x'.repeat(300), foot: '水'.repeat(300) }, size)
      for (const shown of [drawn, ...lines.map((line) => payloadLines(line, 0, 'foot', size))]) {
        assert.equal(shown.length, rows)
        for (const line of shown) {
          // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
          const plain = line.replaceAll(/\u001b\[\d+m/g, '')
          assert.ok(widthOf(plain) <= columns, `${columns}: ${plain}`)
          assert.doesNotMatch(plain, /\p{Cc}/u)
        }
      }
    }
  }
  assert.deepEqual([0, 59_999, 60_000, 3_600_000, 90_000_000].map(ageOf), ['0 s', '59 s', '1 min', '1 h', '1 d'])
})

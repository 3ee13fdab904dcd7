// mooring sql, as a process against a hub: what it sends, how it shows what comes back, and what it says besides.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { atEnd } from '../kit/at-end.ts'
import { startHub } from '../kit/hub.ts'
import { root } from '../kit/sources.ts'
import { newFolder, openIn, stored } from '../store/kit.ts'
import { damageSecondChunk } from '../store/telemetry/damaged.ts'
import { send } from '../store/telemetry/model.ts'
import { run, start } from './run.ts'
import { listening } from './stand-in.ts'

const startMs = Date.UTC(2026, 0, 2)

/** A hub with four points a metric of one pump, and what runs a statement on it. */
async function pump(t: TestContext): Promise<(args: readonly string[], stdin?: string) => ReturnType<typeof run>> {
  const hub = await startHub(t)
  const readings = [1, 20.5, -3, 4].map((n, at) => ({ ts: startMs + at * 1000, values: { n, state: at === 2 ? 'off, by hand' : 'on' } }))
  await hub.post('/v1/devices/pump-1/telemetry', readings)
  return (args, stdin) => run(t, ['sql', '--url', hub.url, ...args], stdin)
}

const numbers = "SELECT iso(time) AS at, value FROM telemetry WHERE metric = 'n'"

test('a table: numbers to the right, texts to the left, nothing for NULL; what there is to say besides goes to stderr', async (t) => {
  const sql = await pump(t)
  const { code, stdout, stderr } = await sql([`${numbers} UNION ALL SELECT NULL, 5 UNION ALL SELECT 'a'||char(10,27)||'b', NULL`])
  assert.equal(code, 0)
  assert.equal(
    stdout,
    [
      'at                        value',
      '------------------------  -----',
      '2026-01-02T00:00:00.000Z      1',
      '2026-01-02T00:00:01.000Z   20.5',
      '2026-01-02T00:00:02.000Z     -3',
      '2026-01-02T00:00:03.000Z      4',
      '                              5',
      'a\\n\\u001bb',
      '',
    ].join('\n'),
  )
  assert.match(stderr, /^mooring: 6 rows, 4 points read in [\d.]+ ms\.\n$/)
  const none = await sql(["SELECT id FROM devices WHERE id = 'none'"])
  assert.equal(none.stdout, 'id\n--\n')
  const long = 'x'.repeat(300)
  assert.equal((await sql([`SELECT '${long}' AS a, 1 AS b`])).stdout.split('\n')[2], `${long}  1`, 'whole where it is no terminal')
  assert.equal((await sql(["SELECT '水' AS a, 'e'||char(769) AS b, 1 AS c"])).stdout.split('\n')[2], '水  é  1'.normalize('NFD'))
})

test('a statement from stdin, with parameters in order and by name, a range of time and a bound of rows', async (t) => {
  const sql = await pump(t)
  const rowsOf = async (args: readonly string[], stdin?: string) => (await sql(['--csv', ...args], stdin)).stdout.split('\r\n').slice(1, -1)
  const above = "SELECT value FROM telemetry WHERE metric = ? AND value > ? ORDER BY time;\n-- that's all\n"
  assert.deepEqual(await rowsOf(['--param', 'n', '--param', '1'], above), ['20.5', '4'])
  assert.deepEqual(await rowsOf(['-', '--param', 'n', '--param=-4'], above), ['1', '20.5', '-3', '4'])
  const named = 'SELECT :text, typeof(:text), :yes, :nothing, :number + 1'
  assert.deepEqual(await rowsOf([named, ...['text="21"', 'yes=true', 'nothing=null', 'number=1'].flatMap((text) => ['--param', text])]), [
    '21,text,1,,2',
  ])
  assert.deepEqual(await rowsOf(['SELECT ?', '--param', '"a=b"']), ['a=b'])
  assert.deepEqual(await rowsOf([numbers, '--from', '2026-01-02T00:00:01Z', '--to', `${startMs + 2000}`]), [
    '2026-01-02T00:00:01.000Z,20.5',
    '2026-01-02T00:00:02.000Z,-3',
  ])
  const cut = await sql([numbers, '--rows', '3', '--csv'])
  assert.equal(cut.code, 0)
  assert.equal(cut.stdout.split('\r\n').length, 1 + 3 + 1)
  assert.equal(cut.stderr, 'mooring: there may be more: 3 rows is what was asked for at most (--rows).\n')
  const large = await sql(["SELECT printf('%.*c', 1000000, 'x') FROM json_each('[1,1,1,1,1,1,1,1,1,1]')", '--csv'])
  assert.equal(large.stderr, 'mooring: there may be more: the answer was cut after 8 rows for its bytes.\n')
})

test('CSV and JSON hold every value to the digit', async (t) => {
  const sql = await pump(t)
  const values =
    "SELECT 9007199254740993 AS i, 0.1 AS \"a,b\", NULL AS n, '' AS e, 'x \"y\"' AS q, 9e999 AS inf, x'00ff' AS bytes, -0.0 AS z"
  const csv = await sql([values, '--csv'])
  assert.deepEqual(csv, {
    code: 0,
    stdout: 'i,"a,b",n,e,q,inf,bytes,z\r\n9007199254740993,0.1,,"","x ""y""",Infinity,AP8=,-0\r\n',
    stderr: '',
  })
  const json = await sql([values, '--json'])
  assert.match(json.stdout, /"rows":\[\[9007199254740993,0\.1,null,"","x \\"y\\"",9e999,\{"base64":"AP8="\},-0\]\],"rowCount":1,.*\}\n$/)
  assert.equal(json.stderr, '')
})

test('a mistake is shown at its place, and what is typed wrong is one sentence and an exit code', async (t) => {
  const sql = await pump(t)
  const wrong = await sql([], 'SELECT value,\n\twrong FROM telemetry\n')
  assert.deepEqual(wrong, {
    code: 1,
    stdout: '',
    stderr: '   wrong FROM telemetry\n   ^\nmooring: the hub refused: The SQL cannot be run: no such column: wrong, line 2, column 2.\n',
  })
  const far = await sql([`SELECT ${'1, '.repeat(100)}wrong`])
  assert.match(far.stderr, /^ {2}[1, ]+wrong\n {40}\^\nmooring: /)
  const cases: [string[], number, RegExp][] = [
    [['DROP TABLE devices'], 1, /^mooring: the hub refused: SQL here only reads/],
    [[], 2, /there is no statement/],
    [['SELECT', '1'], 2, /and not 1 too/],
    [['SELECT 1', '--csv', '--json'], 2, /not both/],
    [['SELECT 1', '--rows', 'many'], 2, /--rows takes a number, not many/],
    [['SELECT 1', '--rows', '1000000'], 1, /rowsMax is a whole number from 1 to/],
    [['SELECT ?, :a', '--param', '1', '--param', 'a=1'], 2, /all have names/],
    [['SELECT 1', '--from', '-24h'], 2, /--from=/],
    [['SELECT 1', '--from', 'never'], 1, /from is Unix ms/],
    [['SELECT 1', '--url', 'http://127.0.0.1:1'], 1, /no hub answers/],
  ]
  for (const [args, code, sentence] of cases) {
    const found = await sql(args)
    assert.deepEqual([found.code, found.stdout], [code, ''], args.join(' '))
    assert.match(found.stderr, sentence, args.join(' '))
    assert.doesNotMatch(found.stderr, /\n\s+at /, 'no stack')
  }
  assert.match((await run(t, ['help', 'sql'])).stdout, /^mooring sql \["SELECT …"\]/)
  const endless = await sql([], 'x'.repeat(1_100_000))
  assert.deepEqual([endless.code, endless.stderr], [2, 'mooring: what comes on stdin is too long for a statement (mooring sql --help).\n'])
})

test('points that are damaged on the disk are not passed over in silence', { timeout: 60_000 }, async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder, 'batched')
  store.journal.appendDevice('pump-1', 1)
  const all = Array.from({ length: 3000 }, (_, at) => ({ device: 1, metric: 'n', atMs: startMs + at * 1000, value: at % 7 }))
  send(store, all)
  await stored(store)
  await store.status({ seal: true })
  await store.close()
  const { startMs: fromMs, endMs, count } = damageSecondChunk(folder)
  const hub = await startHub(t, { data: folder })
  const { code, stdout, stderr } = await run(t, ['sql', 'SELECT count(*) FROM telemetry', '--csv', '--url', hub.url])
  const place = `${new Date(fromMs).toISOString()} to ${new Date(endMs).toISOString()}`
  assert.deepEqual(
    [code, stdout, stderr],
    [0, `count(*)\r\n${3000 - count}\r\n`, `mooring: damaged points were passed over, from ${place}: the answer is made without them.\n`],
  )
})

test('on a terminal long texts give way, and numbers stay whole', async (t) => {
  if (spawnSync('script', ['--version']).status !== 0) {
    t.skip('there is no script(1), which makes a terminal')
    return
  }
  const hub = await startHub(t)
  const statement = "SELECT printf('%.*c', 90, 'x') AS a, 'short' AS b, 1234567890123 AS c"
  const command = `stty cols 40; exec '${process.execPath}' '${join(root, 'hub', 'cli', 'main.ts')}' sql --url ${hub.url} "${statement}"`
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let shown = ''
  child.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()))
  await once(child, 'close')
  const lines = shown.split('\r\n')
  assert.deepEqual(lines.slice(0, 3), [
    `a${' '.repeat(19)}b${' '.repeat(18)}c`,
    `${'-'.repeat(18)}  -----  ${'-'.repeat(13)}`,
    `${'x'.repeat(17)}…  short  1234567890123`,
  ])
})

test('Ctrl-C, while a statement runs and while one is typed', async (t) => {
  const server = createServer(() => {}) // it answers nothing
  const url = await listening(t, server)
  const asked = start(t, 'sql', 'SELECT 1', '--url', url)
  await once(server, 'request')
  asked.child.kill('SIGINT')
  assert.equal(await asked.done, 130)
  assert.equal(asked.stderr(), 'mooring: stopped.\n')
  const typed = start(t, 'sql', '--url', url)
  // More than a pipe holds: once it is written, somebody reads.
  await new Promise((resolve) => typed.child.stdin!.write(' '.repeat(200_000), resolve))
  typed.child.kill('SIGINT')
  assert.equal(await typed.done, 130)
  assert.equal(typed.stderr(), 'mooring: stopped.\n')
})

test('an answer that the disk has no room for is no answer', async (t) => {
  const hub = await startHub(t)
  const full = openSync('/dev/full', 'w')
  atEnd(t, () => closeSync(full))
  const args = [join(root, 'hub', 'cli', 'main.ts'), 'sql', 'SELECT 1', '--url', hub.url]
  const child = spawn(process.execPath, args, { stdio: ['ignore', full, 'pipe'] })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number]
  assert.equal(code, 1)
  assert.match(said, /^mooring: the answer cannot be written: ENOSPC/)
})

// mooring export and mooring import, as processes against a hub: files, pipes, exit codes, and what is left when it breaks off.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { version } from '../../hub/version.ts'
import { newFolder, startHub } from '../kit/hub.ts'
import { run, start } from './run.ts'
import { listening } from './stand-in.ts'

const csv = 'device,metric,time,value\r\nd,n,2026-01-02T03:04:05.000Z,1\r\nd,n,2026-01-02T03:04:06.000Z,2\r\n'

test('points go into a hub and come out of it, by files and by pipes', async (t) => {
  const hub = await startHub(t)
  const folder = newFolder(t)
  const [inFile, outFile] = [join(folder, 'in.csv'), join(folder, 'out.csv')]
  writeFileSync(inFile, csv)
  const stored = await run(t, ['import', inFile, '--url', hub.url])
  assert.deepEqual(stored, { code: 0, stdout: '', stderr: 'mooring: stored 2 points.\n' })
  const exported = await run(t, ['export', outFile, '--url', `${hub.url}/`])
  assert.deepEqual(exported, {
    code: 0,
    stdout: '',
    stderr: `mooring: exported 2 points, ${(csv.length / 1000).toFixed(1)} kB, to ${outFile}.\n`,
  })
  assert.equal(readFileSync(outFile, 'utf8'), csv)
  assert.deepEqual(readdirSync(folder).sort(), ['in.csv', 'out.csv'])

  const piped = await run(t, ['export', '--url', hub.url, '--format', 'ndjson', '--device', 'd', '--from', '2026-01-02T03:04:06Z'])
  assert.equal(piped.stdout, `{"device":"d","metric":"n","time":${Date.UTC(2026, 0, 2, 3, 4, 6)},"value":2}\n`)
  const other = await startHub(t)
  assert.equal((await run(t, ['import', '--url', other.url, '--format', 'ndjson'], piped.stdout)).code, 0)
  assert.equal((await run(t, ['export', '--url', other.url, '--format', 'ndjson'])).stdout, piped.stdout)
})

test('each format by the ending of its name, packed ones too', async (t) => {
  const hub = await startHub(t)
  const folder = newFolder(t)
  const files: [string, string | Buffer][] = [
    ['a.ndjson', '{"device":"a","metric":"n","time":1,"value":1}\n'],
    ['a.jsonl.gz', gzipSync('{"device":"a","metric":"n","time":2,"value":1}\n')],
    ['a.lp', 'm,host=a n=1 3000000\n'],
    ['a.CSV.gz', gzipSync(csv)],
  ]
  for (const [name, bytes] of files) {
    writeFileSync(join(folder, name), bytes)
    assert.equal((await run(t, ['import', join(folder, name), '--url', hub.url])).code, 0, name)
  }
  const parquet = join(folder, 'all.parquet')
  assert.equal((await run(t, ['export', parquet, '--url', hub.url])).code, 0)
  const other = await startHub(t)
  assert.match((await run(t, ['import', parquet, '--url', other.url])).stderr, /stored 5 points/)
})

test('lines that are refused are shown, and the exit code says that there were some', async (t) => {
  const hub = await startHub(t)
  const wrong = Array.from({ length: 12 }, () => 'd,n,never,1\r\n').join('')
  const { code, stderr } = await run(t, ['import', '--url', hub.url, '--format', 'csv'], csv + wrong)
  assert.equal(code, 3)
  assert.match(stderr, /^mooring: line 4: .*not "never"/)
  assert.match(stderr, /mooring: … and 2 more\.\nmooring: stored 2 points, refused 12\.\n$/)
})

test('what is typed wrong, and a hub that is not there, is one sentence and an exit code', async (t) => {
  const hub = await startHub(t)
  const folder = newFolder(t)
  const cases: [string[], number, RegExp][] = [
    [['fly'], 2, /there is no command fly/],
    [['export', '--colour'], 2, /--colour/],
    [['export', 'a.doc'], 2, /does not say the format/],
    [['export', 'a.lp'], 2, /line-protocol is no format here/],
    [['import'], 2, /say --format/],
    [['export', 'a.csv', 'b.csv'], 2, /b\.csv/],
    [['export', '--url', 'tcp://x'], 2, /--url takes/],
    [['export', '--url', 'https://127.0.0.1:1', '--ca', join(folder, 'none')], 2, /--ca: ENOENT/],
    [['export', '--url', 'http://127.0.0.1:1'], 1, /no hub answers at http:\/\/127\.0\.0\.1:1; start one/],
    [['export', '--url', hub.url, '--from', 'never'], 1, /the hub refused: .*from is Unix ms/],
    [['export', '--url', `${hub.url}/nothing`], 1, /the hub refused: .*nothing/],
    [['export', join(folder, 'none', 'a.csv'), '--url', hub.url], 1, /a\.csv\.part cannot be written/],
    [['import', join(folder, 'none.csv'), '--url', hub.url], 1, /ENOENT/],
    [['import', '--format', 'csv', '--url', hub.url], 1, /header with device/],
  ]
  for (const [args, code, sentence] of cases) {
    const found = await run(t, args, 'x\n')
    assert.deepEqual([found.code, found.stdout], [code, ''], args.join(' '))
    assert.match(found.stderr, sentence, args.join(' '))
    assert.doesNotMatch(found.stderr, /\n\s+at /, 'no stack')
  }
})

test('help and version go to stdout', async (t) => {
  assert.deepEqual(await run(t, ['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
  for (const args of [[], ['--help'], ['help']]) assert.match((await run(t, args)).stdout, /export .*\n\s+import/)
  for (const args of [
    ['export', '--help'],
    ['help', 'export'],
  ]) {
    assert.match((await run(t, args)).stdout, /^mooring export \[FILE\]/)
  }
})

/** A hub that begins an export and never ends it, until it is told to go away. */
async function half(t: TestContext): Promise<{ url: string; server: Server }> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'mooring-points': '1000' })
    response.write(csv)
  })
  return { server, url: await listening(t, server) }
}

async function exists(path: string, bytes: number): Promise<void> {
  while (!existsSync(path) || readFileSync(path).length < bytes) await new Promise(setImmediate)
}

test('a hub that goes away midway: what came is named as a part, and no file looks whole', async (t) => {
  const { server, url } = await half(t)
  const file = join(newFolder(t), 'a.csv')
  const one = start(t, 'export', file, '--url', url)
  await exists(`${file}.part`, csv.length)
  server.closeAllConnections()
  assert.equal(await one.done, 1)
  assert.equal(one.stderr(), `mooring: the hub went away in the middle; what came until then is in ${file}.part.\n`)
  assert.ok(!existsSync(file))
})

test('Ctrl-C stops it: exit code 130, and the part is named', async (t) => {
  const { url } = await half(t)
  const file = join(newFolder(t), 'a.csv')
  const one = start(t, 'export', file, '--url', url)
  await exists(`${file}.part`, csv.length)
  one.child.kill('SIGINT')
  assert.equal(await one.done, 130)
  assert.equal(one.stderr(), `mooring: stopped; what came until then is in ${file}.part.\n`)
})

test('Ctrl-C in an import that waits for its stdin', async (t) => {
  const server = createServer(() => {}) // it reads nothing and answers nothing
  const url = await listening(t, server)
  const one = start(t, 'import', '--format', 'ndjson', '--url', url)
  one.child.stdin?.write('{"device":"d","metric":"n","time":1,"value":1}\n')
  await once(server, 'request')
  one.child.kill('SIGINT')
  assert.equal(await one.done, 130)
  assert.equal(one.stderr(), 'mooring: stopped; some of it may be stored, and sending it again is safe.\n')
})

test('whoever has seen enough of a pipe ends it without a word', async (t) => {
  const server = createServer((_request, response) => {
    const more = () => {
      while (response.write(csv));
    }
    response.on('drain', more)
    more()
  })
  const one = start(t, 'export', '--url', await listening(t, server))
  const stdout = one.child.stdout as NonNullable<typeof one.child.stdout>
  await once(stdout, 'data')
  stdout.destroy()
  assert.equal(await one.done, 0)
  assert.equal(one.stderr(), '')
})

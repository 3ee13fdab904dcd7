// mooring devices, as a process against a hub: what is said of devices, who may come, and a table of devices that become tokens.
import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { newFolder, startHub } from '../kit/hub.ts'
import { run } from './run.ts'
import { listening } from './stand-in.ts'

test('devices are described, listed by what was said, and shown in full', async (t) => {
  const hub = await startHub(t)
  const mooring = (...args: string[]) => run(t, ['devices', ...args, '--url', hub.url])
  for (const id of ['a-1', 'a-2', 'b-1'])
    await hub.post(`/v1/devices/${id}/telemetry`, { ts: Date.UTC(2026, 0, 2), values: { n: 1.5, s: 'on' } })
  const set = await mooring('set', 'a-1', '--name', 'Boiler, left', '--type', 'boiler', '--tag', 'site=north', '--tag', 'floor=2')
  assert.deepEqual(set, {
    code: 0,
    stdout: '',
    stderr: 'mooring: a-1 has the name Boiler, left, the type boiler and floor=2 site=north.\n',
  })
  assert.equal((await mooring('set', 'a-2', '--type', 'boiler', '--tag', 'site=a=b')).code, 0)

  const all = await mooring()
  assert.match(
    all.stdout,
    /^id +name +type +tags +presence +since +last seen\n-[- ]+\na-1 +Boiler, left +boiler +floor=2 site=north +offline +20\d\d-\d\d-\d\dT[\d:]+Z\na-2 /,
  )
  assert.equal(all.stderr, '')
  const idsOf = async (...args: string[]) =>
    (await mooring('list', ...args)).stdout
      .split('\n')
      .slice(2, -1)
      .map((line) => line.split(' ')[0])
  assert.deepEqual(await idsOf('--type', 'boiler'), ['a-1', 'a-2'])
  assert.deepEqual(await idsOf('--tag', 'site=north', '--tag', 'floor:2'), ['a-1'])
  assert.deepEqual(await idsOf('--tag', 'site=a=b'), ['a-2'])
  assert.deepEqual(await idsOf('--search', 'left'), ['a-1'])
  const two = await mooring('--limit', '2', '--json')
  const { devices, total } = JSON.parse(two.stdout) as { devices: { id: string }[]; total: number }
  assert.deepEqual([devices.map(({ id }) => id), total], [['a-1', 'a-2'], 3])
  assert.equal(two.stderr, 'mooring: 2 of 3 devices; --limit shows more.\n')

  const shown = await mooring('show', 'a-1')
  assert.match(shown.stdout, /^name +Boiler, left\ntype +boiler\ntags +floor=2 site=north\nconnected +no\n/m)
  assert.match(shown.stdout, /^metric +value +at\n-.*\nn +1\.5 +2026-01-02T00:00:00Z\ns +"on" +2026-01-02T00:00:00Z\n$/m)
  const emptied = await mooring('set', 'a-1', '--tag', 'floor=', '--name', '', '--type', '', '--json')
  const { name, type, tags } = JSON.parse(emptied.stdout) as { name: string; type: string | null; tags: object }
  assert.deepEqual([name, type, tags], ['a-1', null, { site: 'north' }])

  const file = join(newFolder(t), 'about.json')
  writeFileSync(file, '{"serial":"B-17","at":{"hall":2}}')
  assert.equal((await mooring('set', 'a-1', '--metadata', file)).code, 0)
  assert.equal((await mooring('set', 'a-1', '--metadata', ' {"at":{"hall":null,"row":1}}')).code, 0)
  assert.match((await mooring('show', 'a-1')).stdout, /^metadata +\{"serial":"B-17","at":\{"row":1\}\}$/m)
  assert.equal((await mooring('set', 'a-1', '--metadata', 'null')).code, 0)
  assert.doesNotMatch((await mooring('show', 'a-1')).stdout, /^metadata/m)

  const cases: [string[], number, RegExp][] = [
    [['set', 'a-1', '--metadata', '{'], 2, /--metadata is not JSON/],
    [['set', 'a-1', '--metadata', '/nowhere'], 1, /ENOENT/],
    [['set', 'a-1'], 2, /say --name, --type, --tag, --gateway or --metadata/],
    [['set', 'a-1', '--tag', 'north'], 2, /--tag takes NAME=VALUE, not north/],
    [['set', 'ghost', '--name', 'Casper'], 1, /ghost/],
    [['show'], 2, /ID is missing \(mooring devices show --help\)/],
    [['show', 'ghost'], 1, /the hub refused: .*ghost/],
    [['--limit', '0'], 2, /--limit takes a number from 1 on, not 0/],
    [['fly'], 2, /there is no command devices fly; there are list, show/],
  ]
  for (const [args, code, sentence] of cases) {
    const found = await mooring(...args)
    assert.deepEqual([found.code, found.stdout], [code, ''], args.join(' '))
    assert.match(found.stderr, sentence)
  }
})

test('a device is given a gateway, listed by it, and freed of it', async (t) => {
  const hub = await startHub(t)
  const mooring = (...args: string[]) => run(t, ['devices', ...args, '--url', hub.url])
  for (const id of ['gw-1', 'p-1', 'p-2']) await hub.post('/v1/devices', { id })
  assert.equal((await mooring('set', 'p-1', '--gateway', 'gw-1')).code, 0)
  const { devices } = JSON.parse((await mooring('--gateway', 'gw-1', '--json')).stdout) as { devices: { id: string }[] }
  assert.deepEqual(
    devices.map(({ id }) => id),
    ['p-1'],
  )
  assert.match((await mooring('show', 'p-1')).stdout, /^gateway +gw-1$/m)
  const refused = await mooring('set', 'gw-1', '--gateway', 'gw-1')
  assert.deepEqual([refused.code, refused.stdout], [1, ''])
  assert.match(refused.stderr, /gw-1 cannot be its own gateway/)
  assert.equal((await mooring('set', 'p-1', '--gateway', '')).code, 0)
  assert.doesNotMatch((await mooring('show', 'p-1')).stdout, /gateway/)
})

test('more devices than a page holds are listed to the end', async (t) => {
  const hub = await startHub(t)
  const lines = Array.from({ length: 1203 }, (_, at) => `d-${`${at}`.padStart(4, '0')},n,1,1\r\n`).join('')
  assert.equal((await run(t, ['import', '--format', 'csv', '--url', hub.url], `device,metric,time,value\r\n${lines}`)).code, 0)
  const { stdout, stderr } = await run(t, ['devices', '--limit', '5000', '--json', '--url', hub.url])
  assert.equal(stderr, '')
  const ids = (JSON.parse(stdout) as { devices: { id: string }[] }).devices.map(({ id }) => id)
  assert.deepEqual([ids.length, new Set(ids).size, ids.at(-1)], [1203, 1203, 'd-1202'])
  const some = await run(t, ['devices', '--limit', '1002', '--url', hub.url])
  assert.equal(some.stdout.split('\n').length, 1002 + 3)
})

test('a device that is disabled is refused until it is enabled', async (t) => {
  const hub = await startHub(t)
  const mooring = (...args: string[]) => run(t, [...args, '--url', hub.url])
  const token = (await mooring('credentials', 'create', 'pump-1')).stdout.trim()
  const send = () => run(t, ['pub', 'devices/pump-1/state', 'on', '--url', hub.url], '', { MOORING_KEY: token })
  assert.equal((await send()).code, 0)
  assert.deepEqual(await mooring('devices', 'disable', 'pump-1'), { code: 0, stdout: '', stderr: 'mooring: pump-1 is disabled.\n' })
  assert.match((await send()).stderr, /pump-1 is disabled/)
  assert.equal((await mooring('devices', 'enable', 'pump-1')).code, 0)
  assert.equal((await send()).code, 0)
  assert.equal((await mooring('devices', 'disable', 'ghost')).code, 1)
})

const table = [
  'id,name,type,site',
  'p-1,"Pump, ""left""",pump,north',
  'p-2,,,south,east',
  '',
  'p-3,"two',
  'lines",pump,',
  'bad id,,,',
  ',Nobody,pump,',
  'p-4,,,',
  'p-1,,,west',
  '',
].join('\r\n')

test('a table of devices becomes tokens that work, in a file for its owner alone; a bad row harms no other', async (t) => {
  const hub = await startHub(t)
  const folder = newFolder(t)
  const [input, output] = [join(folder, 'devices.csv'), join(folder, 'tokens.csv')]
  writeFileSync(input, `\ufeff${table}`)
  await hub.post('/v1/devices/p-1/telemetry', { n: 1 }) // on record
  const { code, stdout, stderr } = await run(t, ['devices', 'create', input, '--output', output, '--url', hub.url])
  assert.deepEqual([code, stdout], [3, ''])
  const said = stderr.split('\n')
  assert.match(said[0] ?? '', /^mooring: line 3: there are 5 fields, and 4 columns; nothing was made\.$/)
  assert.match(said[1] ?? '', /^mooring: line 5: .*name is text .*without control characters/)
  assert.match(said[2] ?? '', /^mooring: line 7: The device id bad id is refused/)
  assert.match(said[3] ?? '', /^mooring: line 8: the id is missing/)
  assert.match(said[4] ?? '', /^mooring: line 10: p-1 stands in line 2 already/)
  assert.deepEqual(said.slice(5), [`mooring: created tokens for 2 devices, in ${output}.`, ''])
  assert.equal(statSync(output).mode & 0o777, 0o600)
  const [header, ...rows] = readFileSync(output, 'utf8').trimEnd().split('\r\n')
  assert.equal(header, 'id,token')
  assert.deepEqual(
    rows.map((row) => row.split(',')[0]),
    ['p-1', 'p-4'],
  )
  for (const row of rows) {
    const [id = '', token = ''] = row.split(',')
    const sent = await run(t, ['pub', `devices/${id}/state`, 'on', '--url', hub.url], '', { MOORING_KEY: token })
    assert.equal(sent.code, 0, sent.stderr)
    const others = await run(t, ['pub', 'devices/other/state', 'on', '--url', hub.url], '', { MOORING_KEY: token })
    assert.equal(others.code, 1)
  }
  const { name, type, tags } = (await hub.get('/v1/devices/p-1')) as { name: string; type: string; tags: object }
  assert.deepEqual([name, type, tags], ['Pump, "left"', 'pump', { site: 'north' }])

  const again = await run(t, ['devices', 'create', input, '--output', output, '--url', hub.url])
  assert.deepEqual([again.code, again.stderr], [1, `mooring: ${output} is there already; name a new file.\n`])
  assert.equal(readFileSync(output, 'utf8').split('\r\n').length, 4, 'what was there is there')
})

test('devices come on record, and again they are changed; tables that are none are refused', async (t) => {
  const hub = await startHub(t)
  const create = (text: string) => run(t, ['devices', 'create', '-', '--url', hub.url], text)
  const { code, stdout, stderr } = await create('id,type,site\nnew-1,pump,north\nnew-2,,\n')
  assert.match(stdout, /^id,token\r\nnew-1,mrg_[\w-]+\r\nnew-2,mrg_[\w-]+\r\n$/)
  assert.deepEqual([code, stderr], [0, 'mooring: created tokens for 2 devices.\n'])
  assert.equal((await create('id,type\nnew-1,valve\nnew-2,\n')).code, 0)
  const typeOf = async (id: string) => ((await hub.get(`/v1/devices/${id}`)) as { type: string | null }).type
  assert.deepEqual([await typeOf('new-1'), await typeOf('new-2')], ['valve', null])
  assert.match((await create('name\nx\n')).stderr, /one of them is id/)
  assert.match((await create('id,site,site\n')).stderr, /the column site stands there twice/)
  assert.match((await create('')).stderr, /the first line names the columns/)
  assert.match((await run(t, ['devices', 'create', join(hub.folder, 'none.csv'), '--url', hub.url])).stderr, /ENOENT/)
})

test('a device is deleted with all that is stored of it', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/devices/pump-1/telemetry', '{"level":1}')
  const token = (await run(t, ['credentials', 'create', 'pump-1', '--url', hub.url])).stdout.trim()
  const remove = () => run(t, ['devices', 'delete', 'pump-1', '--url', hub.url])
  assert.deepEqual(await remove(), { code: 0, stdout: '', stderr: 'mooring: deleted pump-1.\n' })
  assert.match((await remove()).stderr, /pump-1/)
  assert.equal((await run(t, ['export', '--format', 'ndjson', '--url', hub.url])).stdout, '')
  assert.equal((await run(t, ['pub', 'devices/pump-1/state', 'on', '--url', hub.url], '', { MOORING_KEY: token })).code, 1)
})

test('tokens that were made before the hub went away are written', async (t) => {
  let made = 0
  const server = createServer((request, response) => {
    if (request.url === '/v1/devices') response.end('{}')
    else if (made === 20) request.socket.destroy()
    else response.end(JSON.stringify({ secret: `mrg_${made++}` }))
  })
  const url = await listening(t, server)
  const rows = Array.from({ length: 40 }, (_, at) => `d-${at}\n`).join('')
  const { code, stdout, stderr } = await run(t, ['devices', 'create', '-', '--url', url], `id\n${rows}`)
  assert.equal(code, 1)
  assert.equal(stdout.match(/mrg_/g)?.length, 20)
  assert.match(stderr, /^mooring: the hub at .* went away; 20 devices had been created until then\.\n$/)
})

// InfluxDB's write API, as Telegraf's outputs.influxdb_v2 speaks it, over a real socket.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { startHub, type TestHub } from '../kit/hub.ts'

const path = '/api/v2/write?bucket=b&org=o'

async function points(hub: TestHub): Promise<string[]> {
  const text = await (await fetch(`${hub.url}/v1/export?format=csv&time=ms`)).text()
  return text.trimEnd().split('\r\n').slice(1)
}

test('a batch of Telegraf is stored: 204 once it is on disk', async (t) => {
  const hub = await startHub(t)
  const { secret } = (await (await hub.post('/v1/keys/telegraf', { role: 'operator' })).json()) as { secret: string }
  const batch = [
    'cpu,cpu=cpu-total,host=edge-1 usage_idle=97.25,usage_user=1.5 1767323045000000000',
    'mem,host=edge-1 used=1024i,active=true 1767323045250000000',
    '',
    '# a comment',
    'system,host=edge-1 uptime_format="1 day, 2:03" 1767323045000000000',
    '',
  ].join('\n')
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'content-encoding': 'gzip',
    authorization: `Token ${secret}`,
    'user-agent': 'Telegraf',
  }
  const response = await fetch(hub.url + path, { method: 'POST', body: gzipSync(batch), headers })
  assert.equal(response.status, 204)
  assert.equal(await response.text(), '')
  const withoutToken = await hub.post(path, '', { authorization: 'Token ' })
  assert.equal(withoutToken.status, 204, 'as Telegraf says it when it has none')
  const mistaken = await hub.post(path, 'm,host=d a=1', { authorization: 'Token mine' })
  assert.deepEqual([mistaken.status, ((await mistaken.json()) as { code: string }).code], [401, 'unauthorized'])
  assert.deepEqual(await points(hub), [
    'edge-1,cpu.usage_idle{cpu=cpu-total},1767323045000,97.25',
    'edge-1,cpu.usage_user{cpu=cpu-total},1767323045000,1.5',
    'edge-1,mem.active,1767323045250,true',
    'edge-1,mem.used,1767323045250,1024',
    'edge-1,system.uptime_format,1767323045000,"1 day, 2:03"',
  ])
})

test('a partial write: the good lines are stored, and 400 names the first that is not', async (t) => {
  const hub = await startHub(t)
  const response = await hub.post(path, 'm,host=d a=1 1\nm,host=d a=\nm a=1 1\nm,host=d a=2 2000000\nm,host=d a=3 9223372036854775807')
  assert.equal(response.status, 400)
  assert.equal(response.headers.get('content-type'), 'application/json')
  const { code, message } = (await response.json()) as { code: string; message: string }
  assert.equal(code, 'invalid')
  assert.match(message, /partial write, 2 dropped; line 2: .*the field a is no/)
  assert.deepEqual(await points(hub), ['d,m.a,0.000001,1', 'd,m.a,2,2', 'd,m.a,9223372036854.775,3'])
})

test('precision is what the query says; a line without a time gets that of its arrival', async (t) => {
  const hub = await startHub(t)
  for (const [precision, time] of [
    ['s', '5'],
    ['ms', '6000'],
    ['us', '7000000'],
    ['ns', '8000000000'],
  ]) {
    assert.equal((await hub.post(`${path}&precision=${precision}`, `m,host=d a=1 ${time}`)).status, 204)
  }
  const before = Date.now()
  await hub.post(path, 'm,host=now a=1')
  const all = await points(hub)
  assert.deepEqual(all.slice(0, 4), ['d,m.a,5000,1', 'd,m.a,6000,1', 'd,m.a,7000,1', 'd,m.a,8000,1'])
  const time = Number(all[4]?.split(',')[2])
  assert.ok(time >= before && time <= Date.now(), `${time}`)
})

test('what is wrong as a whole is refused in the words of InfluxDB', async (t) => {
  const hub = await startHub(t)
  const wrong = await hub.post(`${path}&precision=h`, 'm,host=d a=1 1')
  assert.deepEqual(
    [wrong.status, await wrong.json()],
    [400, { code: 'invalid', message: 'The request is refused: precision is ns, us, ms or s.' }],
  )
  const notGzip = await hub.post(path, 'm,host=d a=1 1', { 'content-encoding': 'gzip' })
  assert.equal(((await notGzip.json()) as { code: string }).code, 'invalid')
  const notUtf8 = await fetch(hub.url + path, { method: 'POST', body: Buffer.from([0x6d, 0xff]) })
  assert.match(((await notUtf8.json()) as { message: string }).message, /line 1: .*not UTF-8/)
  assert.deepEqual(await points(hub), [])
})

test('version 1 writes to /write', async (t) => {
  const hub = await startHub(t)
  assert.equal((await hub.post('/write?db=telegraf&precision=n', 'm,host=d a=1i 1000000')).status, 204)
  const wrong = await hub.post('/write?db=telegraf', 'm')
  assert.equal(wrong.status, 400)
  assert.match(((await wrong.json()) as { error: string }).error, /partial write/)
  assert.deepEqual(await points(hub), ['d,m.a,1,1'])
})

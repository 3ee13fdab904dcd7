// Groups of devices: questions with a name, asked wherever devices are chosen.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHub } from '../kit/hub.ts'
import { ask } from '../security/kit.ts'

test('a group chooses devices in lists, newest values, points, buckets, charts and exports', async (t) => {
  const hub = await startHub(t)
  const said: Readonly<Record<string, object>> = {
    a: { type: 'pump', tags: { site: 'north', floor: '2' } },
    b: { type: 'pump', tags: { site: 'north' } },
    c: { type: 'valve', tags: { site: 'north', floor: '1' } },
    d: { type: 'pump', tags: { site: 'south', note: 'two words' } },
    e: {},
  }
  for (const [id, about] of Object.entries(said)) {
    await ask(hub, 'POST', '/v1/devices', { id, ...about })
    await hub.post(`/v1/devices/${id}/telemetry`, { ts: 1000, values: { t: 1 } })
  }
  const group = { name: 'north pumps', query: 'site=north type=pump floor!=2', description: 'those upstairs' }
  assert.deepEqual(await ask(hub, 'PUT', '/v1/groups/north%20pumps', group), group)
  const { groups } = (await hub.get('/v1/groups')) as { groups: object[] }
  assert.deepEqual(groups, [group])

  const members = async (query: string) => {
    await ask(hub, 'PUT', '/v1/groups/g', { query })
    const { devices, total } = (await hub.get('/v1/devices?group=g')) as { devices: { id: string }[]; total: number }
    assert.equal(total, devices.length)
    return devices.map(({ id }) => id).join('')
  }
  assert.equal(await members('site=north type=pump floor!=2'), 'b')
  assert.equal(await members('floor'), 'ac')
  assert.equal(await members('!floor'), 'bde')
  assert.equal(await members('floor!=2'), 'bcde')
  assert.equal(await members('type!=pump'), 'ce')
  assert.equal(await members('!type'), 'e')
  assert.equal(await members('note="two words"'), 'd')

  const asked = 'group=north%20pumps'
  const latest = (await hub.get(`/v1/latest?${asked}`)) as { devices: { device: string }[] }
  assert.deepEqual(
    latest.devices.map(({ device }) => device),
    ['b'],
  )
  const range = `${asked}&from=0&to=2000`
  const { points } = (await hub.get(`/v1/telemetry/points?${range}`)) as { points: { devices: string[] } }
  assert.deepEqual(points.devices, ['b'])
  for (const path of [`buckets?inGroup=north%20pumps&from=0&to=2000&every=1h&aggregates=count`, `chart?${range}`]) {
    const text = JSON.stringify(await hub.get(`/v1/telemetry/${path}`))
    assert.match(text, /"device":"b"/)
    assert.doesNotMatch(text, /"device":"[acde]"/)
  }
  const csv = await (await fetch(`${hub.url}/v1/export?format=csv&${asked}`)).text()
  assert.deepEqual(
    csv
      .trim()
      .split(/\r?\n/)
      .slice(1)
      .map((line) => line[0]),
    ['b'],
  )
  const both = (await hub.get(`/v1/devices?${asked}&type=valve`)) as { total: number }
  assert.equal(both.total, 0)

  await ask(hub, 'PATCH', '/v1/devices/b', { tags: { floor: '2' } })
  assert.equal(((await hub.get(`/v1/devices?${asked}`)) as { total: number }).total, 0)
  assert.deepEqual(await ask(hub, 'DELETE', '/v1/groups/north%20pumps'), { removed: 'north pumps' })
  const gone = await fetch(`${hub.url}/v1/devices?${asked}`)
  assert.deepEqual([gone.status, ((await gone.json()) as { code: string }).code], [404, 'group-unknown'])
  const wrong = await fetch(`${hub.url}/v1/groups/g`, { method: 'PUT', body: '{"query":"floor>2"}' })
  assert.deepEqual([wrong.status, ((await wrong.json()) as { code: string }).code], [400, 'group-invalid'])
})

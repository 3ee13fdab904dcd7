// mooring types and mooring groups, as processes against a hub.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { newFolder, startHub } from '../kit/hub.ts'
import { run } from './run.ts'

test('types are set from a file, listed, shown with their units, and removed', async (t) => {
  const hub = await startHub(t)
  const mooring = (...args: string[]) => run(t, [...args, '--url', hub.url])
  const file = join(newFolder(t), 'pump.json')
  const type = {
    name: 'pump',
    limits: { messagesPerSecond: 10, burstSeconds: 60 },
    metrics: { t: { type: 'number', unit: '°C', min: -40, max: 125 }, on: { type: 'boolean' } },
    keep: 'raw 30d',
  }
  writeFileSync(file, JSON.stringify(type))
  assert.deepEqual(await mooring('types', 'set', file), { code: 0, stdout: '', stderr: `mooring: the type pump is as ${file} says.\n` })
  assert.match((await mooring('types')).stdout, /^pump +messagesPerSecond=10 burstSeconds=60 +2 +raw 30d *$/m)
  const shown = await mooring('types', 'show', 'pump')
  assert.match(shown.stdout, /^keep +raw 30d\n(?:.*\n)*t +number +°C +-40 +125 *\non +boolean *$/m)
  assert.deepEqual(JSON.parse((await mooring('types', 'show', 'pump', '--json')).stdout), type)

  await hub.post('/v1/devices', { id: 'pump-1', type: 'pump' })
  await hub.post('/v1/devices/pump-1/telemetry', { t: 21.5 })
  assert.match((await mooring('devices', 'show', 'pump-1')).stdout, /^t +21\.5 °C +20/m)
  const refused = await mooring('types', 'remove', 'pump')
  assert.deepEqual([refused.code, /There are 1 devices of the type pump/.test(refused.stderr)], [1, true])
  assert.equal((await mooring('devices', 'set', 'pump-1', '--type', '')).code, 0)
  assert.equal((await mooring('types', 'remove', 'pump')).stderr, 'mooring: removed the type pump.\n')
  assert.match((await mooring('types', 'show', 'pump')).stderr, /there is no device type pump/)
  writeFileSync(file, '{"keep":"raw 30d"}')
  assert.match((await mooring('types', 'set', file)).stderr, /does not say the name of the type/)
})

test('groups are set, listed, chosen by, and removed', async (t) => {
  const hub = await startHub(t)
  const mooring = (...args: string[]) => run(t, [...args, '--url', hub.url])
  for (const [id, site] of [
    ['a', 'north'],
    ['b', 'north'],
    ['c', 'south'],
  ] as const) {
    await hub.post('/v1/devices', { id, tags: { site } })
    await hub.post(`/v1/devices/${id}/telemetry`, { t: 1 })
  }
  const set = await mooring('groups', 'set', 'the north', 'site=north', '--description', 'up there')
  assert.deepEqual([set.code, set.stderr], [0, 'mooring: 2 devices belong to the group the north now.\n'])
  assert.match((await mooring('groups')).stdout, /^the north +site=north +up there$/m)
  const { devices } = JSON.parse((await mooring('devices', '--group', 'the north', '--json')).stdout) as { devices: { id: string }[] }
  assert.deepEqual(
    devices.map(({ id }) => id),
    ['a', 'b'],
  )
  assert.deepEqual(
    (await mooring('export', '--group', 'the north')).stdout
      .trim()
      .split(/\r?\n/)
      .slice(1)
      .map((line) => line[0]),
    ['a', 'b'],
  )
  assert.match((await mooring('groups', 'set', 'x', 'floor>2')).stderr, /and not "floor>2"/)
  assert.equal((await mooring('groups', 'remove', 'the north')).stderr, 'mooring: removed the group the north.\n')
  assert.match((await mooring('devices', '--group', 'the north')).stderr, /There is no group "the north"/)
})

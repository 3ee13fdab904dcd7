// mooring twin, as a process against a hub: what is desired and what is so, side by side, changed, and as it was.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { newFolder, startHub } from '../kit/hub.ts'
import { ask } from '../security/kit.ts'
import { run } from './run.ts'

test('a state is set by paths, shown with what differs, and its history is read', async (t) => {
  const hub = await startHub(t)
  await ask(hub, 'POST', '/v1/devices', { id: 'pump-7' })
  const twin = (...args: string[]) => run(t, ['twin', ...args, '--url', hub.url])
  const set = await twin('set', 'pump-7', 'valve.open=true', 'valve.speed=3', 'mode=auto', 'list=[1,2]')
  assert.deepEqual([set.code, set.stderr], [0, 'mooring: pump-7 has the version 1; not yet so: valve.open, valve.speed, mode, list.\n'])
  await ask(hub, 'POST', '/v1/devices/pump-7/state/reported', { valve: { open: false, speed: 3 }, list: [1, 2], fw: '1.2' })
  const shown = await twin('pump-7')
  const words = shown.stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 4))
  assert.match(shown.stdout, /^state +desired +reported +desired at +reported at\n-/)
  assert.deepEqual(
    words.slice(2, -1).map(([state, ...rest]) => [state, rest.includes('differs')]),
    [
      ['fw', false],
      ['list', false],
      ['mode', true],
      ['valve.open', true],
      ['valve.speed', false],
    ],
  )
  assert.match(shown.stdout, /^valve\.open +true +false +differs +20\d\d-\S+Z +20\d\d-\S+Z$/m)
  assert.match(shown.stderr, /^mooring: version 2 of 20\d\d-\S+Z\.\n$/)

  assert.equal((await twin('set', 'pump-7', 'mode=', '--if-version', '1')).code, 1)
  const removed = await twin('set', 'pump-7', 'mode=', '--if-version', '2', '--json')
  assert.deepEqual((JSON.parse(removed.stdout) as { desired: object }).desired, { valve: { open: true, speed: 3 }, list: [1, 2] })
  const file = join(newFolder(t), 'patch.json')
  writeFileSync(file, '{"valve":{"speed":null}}')
  assert.equal((await twin('set', 'pump-7', '--patch', file)).code, 0)
  assert.equal((await twin('set', 'pump-7', '--patch', '{"night":{"speed":1}}', '--twin', 'plan')).code, 0)
  assert.match((await twin('pump-7', '--twin', 'plan')).stdout, /^night\.speed +1 +differs/m)

  const history = await twin('history', 'pump-7', '--limit', '2')
  assert.match(
    history.stdout,
    /^version +at +part +by +change\n-.*\n4 +\S+Z +desired +anonymous +\{"valve":\{"speed":null\}\}\n3 +\S+Z +desired +anonymous +\{"mode":null\}\n$/,
  )
  const whole = JSON.parse((await twin('history', 'pump-7', '--json')).stdout) as { versions: object[] }
  assert.equal(whole.versions.length, 4)
  const diff = await twin('diff', 'pump-7', '--from', '1h')
  assert.match(diff.stdout, /^desired +valve\.open +true$/m)
  assert.match(diff.stdout, /^reported +fw +"1\.2"$/m)
  assert.equal(diff.stderr, 'mooring: from version 0 to version 4.\n')
  assert.match((await twin('pump-7', '--at', '1h')).stderr, /version 0\./)
})

test('many devices are set at once, and those that are refused are named', async (t) => {
  const hub = await startHub(t)
  for (const id of ['a-1', 'a-2', 'b-1'])
    await ask(hub, 'POST', '/v1/devices', { id, tags: { site: id.startsWith('a') ? 'north' : 'south' } })
  await ask(hub, 'PUT', '/v1/groups/north', { query: 'site=north' })
  const twin = (...args: string[]) => run(t, ['twin', ...args, '--url', hub.url])
  const ofGroup = await twin('set', 'open=true', '--group', 'north')
  assert.deepEqual(ofGroup, { code: 0, stdout: '', stderr: 'mooring: 2 changed, 0 were so already, 0 refused.\n' })
  const ofTag = await twin('set', '--tag', 'site=south', '--patch', `{"text":"${'x'.repeat(17_000)}"}`)
  assert.equal(ofTag.code, 3)
  assert.match(ofTag.stderr, /^mooring: b-1: .*limits\.twinBytes.*\nmooring: 0 changed, 0 were so already, 1 refused\.\n$/)
  for (const [args, why] of [
    [['set', 'pump-7'], /say what is desired/],
    [['set', 'a=1'], /say the ID of a device/],
    [['set', 'pump-7', 'a'], /it takes PATH=VALUE, and not a/],
    [['set', 'pump-7', '--patch', '{'], /--patch is not JSON/],
    [['set', 'pump-7', 'a=1', '--patch', '{}'], /say what is desired/],
    [['set', 'a=1', '--group', 'north', '--if-version', '3'], /is for one device/],
    [[], /ID is missing/],
  ] as const) {
    const { code, stderr } = await twin(...args)
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, why)
  }
})

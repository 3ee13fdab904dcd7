// mooring events, uptime and devices kick, as processes against a hub.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { startHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'
import { run, start } from './run.ts'

test('what has happened to devices is listed, followed, and closed by who may', async (t) => {
  const hub = await startHub(t)
  const mooring = (...args: string[]) => run(t, [...args, '--url', hub.url])
  await hub.post('/v1/devices', { id: 'pump-7' })
  const watcher = await moor(t, hub, 'watcher', 5)
  await watcher.subscribe('devices/+/presence', { qos: 1 })
  const pump = await moor(t, hub, 'pump-7', 5)
  await watcher.next('publish')
  await pump.publish('devices/pump-7/events/started', '{"why":"power"}', { qos: 1 })
  assert.deepEqual(await mooring('devices', 'kick', 'pump-7'), {
    code: 0,
    stdout: '',
    stderr: 'mooring: closed the connection of pump-7.\n',
  })
  await watcher.next('publish')
  assert.equal((await mooring('devices', 'kick', 'pump-7')).stderr, 'mooring: pump-7 had no connection.\n')
  await hub.post('/v1/publish', { topic: 'devices/boiler/events/lit', payload: 'at last' })

  const { stdout } = await mooring('events')
  const lines = stdout
    .split('\n')
    .slice(2, -1)
    .map((line) =>
      line
        .replace(/^20\d\d-\d\d-\d\dT[\d:]+Z +/, '')
        .replaceAll(/ +/g, ' ')
        .trimEnd(),
    )
  assert.match(lines.at(-1) ?? '', /^pump-7 presence online by mqtt-tcp from 127\.0\.0\.1:\d+$/)
  assert.deepEqual(lines.slice(0, -1), [
    'boiler event lit at last',
    'pump-7 presence offline kicked',
    'pump-7 event started {"why":"power"}',
  ])
  const one = await mooring('events', 'pump-7', '--kind', 'presence', '--limit', '1', '--json')
  assert.deepEqual(
    (JSON.parse(one.stdout) as { events: { name: string }[] }).events.map(({ name }) => name),
    ['offline'],
  )
  assert.equal(one.stderr, 'mooring: there are older ones; --limit shows more.\n')

  const following = start(t, 'events', 'pump-7', '--follow', '--limit', '1', '--url', hub.url)
  const said = async (pattern: RegExp) => {
    while (!pattern.test(following.stdout().toString())) await once(following.child.stdout!, 'data')
  }
  await said(/pump-7 {2}presence offline {2}kicked\n/)
  const again = await moor(t, hub, 'pump-7', 5)
  await said(/pump-7 {2}presence online {2}by mqtt-tcp from /)
  await again.leave()
  await said(/pump-7 {2}presence offline {2}closed-by-device\n$/)

  const cases: [string[], number, RegExp][] = [
    [['events', 'ghost'], 1, /the hub refused: .*ghost/],
    [['events', '--kind', 'odd'], 1, /the hub refused/],
    [['events', '--kind', 'odd', '--follow'], 2, /--kind is presence, freshness, event, not odd/],
    [['events', '--follow', '--since', '1d'], 2, /--since is for a list/],
    [['devices', 'kick', 'ghost'], 1, /ghost/],
    [['uptime', '--since', '2100-01-01'], 2, /a moment that has been/],
  ]
  for (const [args, code, sentence] of cases) {
    const refused = await mooring(...args)
    assert.equal(refused.code, code, args.join(' '))
    assert.match(refused.stderr, sentence)
  }
})

test('uptime is told for each device, and for all together', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/devices', { id: 'pump-7' })
  await hub.post('/v1/devices', { id: 'pump-8' })
  const watcher = await moor(t, hub, 'watcher', 5)
  await watcher.subscribe('devices/+/presence', { qos: 1 })
  await moor(t, hub, 'pump-7', 5)
  const other = await moor(t, hub, 'pump-8', 5)
  await other.leave()
  for (let changes = 0; changes < 3; changes++) await watcher.next('publish')
  const { stdout, code } = await run(t, ['uptime', '--since', '1h', '--url', hub.url])
  assert.equal(code, 0)
  assert.match(stdout, /^pump-7 +100\.000 % +0 s\npump-8 +\d+\.\d{3} % .*\nall +\d+\.\d{3} %/m)
  const { stdout: json } = await run(t, ['uptime', 'pump-7', '--json', '--url', hub.url])
  const { uptime, devices } = JSON.parse(json) as { uptime: number; devices: { device: string; uptime: number }[] }
  assert.deepEqual([uptime, devices.map(({ device }) => device)], [1, ['pump-7']])
})

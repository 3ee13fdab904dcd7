// An extension that throws, hangs or holds the loop harms nobody else, and it is said which one it was.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createHub, extension } from '../../hub/library.ts'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { newFolder, startHub } from '../kit/hub.ts'
import { LogLines } from '../kit/log.ts'
import { moor } from '../kit/mqtt.ts'
import { type ExtendedHub, hubWith, Inbox, mine } from './kit.ts'

/** Computes for so long. */
function hold(ms: number): void {
  const untilMs = performance.now() + ms
  while (performance.now() < untilMs);
}

test('a hub is a library: extensions are used, it starts, adds more, and stops', async (t) => {
  const inbox = new Inbox<string>()
  const settings = { data: newFolder(t), mqttPort: 'off', httpPort: 0, mqttsPort: 'off', httpsPort: 'off', logLevel: 'silent' } as const
  const embedded = createHub({ settings }).use(extension('one', async (hub) => hub.on('telemetry', {}, () => inbox.push('one'))))
  const hub = await embedded.start()
  t.after(() => embedded.stop())
  assert.throws(() => embedded.use(extension('late', () => {})), /has started/)
  await hub.extensions.use(extension('two', (more) => more.on('telemetry', {}, () => inbox.push('two'))))
  await assert.rejects(hub.extensions.use(extension('two', () => {})), /two extensions called two/)
  const url = `http://127.0.0.1:${hub.listeners.http.port}/v1/devices/d/telemetry`
  assert.equal((await fetch(url, { method: 'POST', body: '{"t":1}' })).status, 200)
  await inbox.until(2)
  assert.deepEqual(inbox.all, ['one', 'two'])
  assert.throws(() => extension('a/b', () => {}), /no name for an extension/)
})

test('one whose set-up throws, leaves out or takes too long leaves nothing behind, and the hub starts without it', async (t) => {
  const clock = new HandClock()
  const lines = new LogLines()
  const inbox = new Inbox<string>()
  const hears = (name: string) => () => inbox.push(name)
  const hanging = new Inbox<string>()
  const starting = startHub(t, {}, clock, {
    log: lines.log,
    extensions: [
      extension('throws', (h) => {
        h.on('telemetry', {}, hears('throws'))
        h.command('now', {}, () => 1)
        throw new Error('no licence')
      }),
      extension('rejects', async () => Promise.reject(new Error('no network'))),
      extension('taken', (h) => h.command('now', {}, () => 2)),
      extension('taken-too', (h) => h.command('now', {}, () => 3)),
      extension('schema', (h) => h.command('x', { type: 'no such type' }, () => 3)),
      extension('route', (h) => h.route({ method: 'GET', url: 'no-slash', handler: async () => 1 })),
      extension('hangs', (h) => {
        hanging.push('hangs')
        h.on('telemetry', {}, hears('hangs'))
        return new Promise(() => {})
      }),
      extension('good', (h) => h.on('telemetry', {}, hears('good'))),
    ],
  })
  await hanging.until(1)
  clock.advance(limits.extensionSetUpSeconds + 2)
  const hub = await starting
  await hub.post('/v1/devices/d/telemetry', { t: 1 })
  await inbox.until(1)
  const { extensions } = (await hub.get('/v1/extensions')) as { extensions: { name: string; state: string; error: string }[] }
  assert.deepEqual(
    extensions.map(({ name, state }) => `${name} ${state}`),
    [
      ...[
        'throws failed',
        'rejects failed',
        'taken ready',
        'taken-too failed',
        'schema failed',
        'route failed',
        'hangs failed',
        'good ready',
      ],
    ],
  )
  assert.deepEqual([extensions[0]?.error, extensions[3]?.error], ['no licence', 'The extension taken answers to now already.'])
  assert.match(extensions[6]?.error ?? '', /did not get done with set-up within 10 s/)
  assert.ok(lines.at('error').includes('the extension throws is not there: its set-up failed: no licence'))
  assert.deepEqual(inbox.all, ['good'])
  const now = await hub.post('/v1/devices/d/calls/now', {})
  assert.deepEqual(await now.json(), { result: 2 })
})

test('a handler that throws is logged with its name, counted, and asked again', async (t) => {
  const inbox = new Inbox<string>()
  const hub = await hubWith(t, [
    mine((h) =>
      h.on('telemetry', {}, ({ points: [point] }) => {
        inbox.push(String(point?.value))
        if (point?.value === 1) throw new Error('sync')
        if (point?.value === 2) return Promise.reject(new Error('async'))
        if (point?.value === 3) {
          const deeper = (): number => deeper() + 1
          return deeper()
        }
        return undefined
      }),
    ),
  ])
  for (const value of [1, 2, 3, 4]) await hub.post('/v1/devices/d/telemetry', { t: value })
  await inbox.until(4)
  assert.equal((await hub.handler('on telemetry'))['failures'], 3)
  const failed = hub.lines.lines.filter(({ msg }) => msg === 'an extension failed')
  assert.deepEqual(
    failed.map((line) => [line['extension'], line['handler'], (line['err'] as { message: string }).message.slice(0, 5)]),
    [
      ...[
        ['mine', 'on telemetry', 'sync'],
        ['mine', 'on telemetry', 'async'],
        ['mine', 'on telemetry', 'Maxim'],
      ],
    ],
  )
})

test('who holds the loop is named, also behind an await, and nobody else is', async (t) => {
  const inbox = new Inbox<string>()
  const hub: ExtendedHub = await hubWith(t, [
    mine((h) => {
      h.on('telemetry', { only: 'sync' }, () => {
        hold(limits.handlerHoldMs + 20)
        inbox.push('sync')
      })
      h.on('event', {}, async () => {
        await delay(1)
        await Promise.resolve()
        hold(limits.handlerHoldMs + 20)
        inbox.push('event')
      })
      h.conversation('talk', async (device) => {
        const sent = device.send('talk/one', 1)
        // What the hub does for it is the hub's.
        hub.hub.store.journal.after({ stored: () => hold(limits.handlerHoldMs + 20), failed: () => {} }, 0)
        await sent
        hold(limits.handlerHoldMs + 20)
        inbox.push('talk')
      })
    }),
    extension('innocent', (h) => h.on('telemetry', {}, async () => delay(1))),
  ])
  const pump = await moor(t, hub, 'pump')
  await pump.subscribe('devices/pump/talk/+', { qos: 1 })
  await pump.publish('devices/pump/telemetry', '{"sync":1}', { qos: 1 })
  await inbox.until(1)
  await pump.publish('devices/pump/events/hot', '1', { qos: 1 })
  await inbox.until(2)
  await hub.post('/v1/devices/pump/conversations/talk', '')
  await inbox.until(3)
  hold(limits.handlerHoldMs + 20) // in nobody's name
  await hub.get('/v1/hub')
  const said = hub.lines.at('warn').map((line) => line.replace(/\d+ ms/, 'N ms'))
  assert.deepEqual(said, [
    'the extension mine held the loop for N ms in on telemetry: everybody waited; hub.offload takes such work',
    'the extension mine held the loop for N ms in on event: everybody waited; hub.offload takes such work',
    'the extension mine held the loop for N ms in conversation talk: everybody waited; hub.offload takes such work',
  ])
  const { holds, longestHoldMs } = await hub.handler('conversation talk')
  assert.equal(holds, 1)
  assert.ok((longestHoldMs as number) >= limits.handlerHoldMs)
})

// Twins over HTTP: what is desired and reported, versions that are asked for, the past, and a change of many.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'
import { allow, answerTo, ask, bearer, giveDevice, keyWith } from '../security/kit.ts'

interface Twin {
  readonly version: number
  readonly at: number
  readonly desired: object
  readonly reported: object
  readonly delta: object
  readonly times: { readonly desired: object; readonly reported: object }
}

const twinOf = (hub: TestHub, id: string, path = 'twin') => ask(hub, 'GET', `/v1/devices/${id}/${path}`) as Promise<Twin>

async function answered(hub: TestHub, method: string, path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(hub.url + path, { method, body: typeof body === 'string' ? body : JSON.stringify(body), headers })
  const answer = (await response.json()) as { code?: string; detail?: string; version?: number }
  return { status: response.status, etag: response.headers.get('etag'), ...answer }
}

async function hubWith(t: TestContext, ...ids: string[]): Promise<TestHub> {
  const hub = await startHub(t)
  for (const id of ids) await ask(hub, 'POST', '/v1/devices', { id })
  return hub
}

test('a twin has what is desired and what is reported, when each was said, and what is not yet so', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  await ask(hub, 'POST', '/v1/devices', { id: 'pump-7' })
  const startMs = clock.now()
  const empty = { version: 0, at: 0, desired: {}, reported: {}, delta: {}, times: { desired: {}, reported: {} } }
  assert.deepEqual(await twinOf(hub, 'pump-7'), { device: 'pump-7', twin: 'main', ...empty })
  await ask(hub, 'PATCH', '/v1/devices/pump-7/twin', { desired: { valve: { open: true }, mode: 'auto', list: [1, 2] } })
  clock.advance(1)
  await ask(hub, 'PATCH', '/v1/devices/pump-7/state/reported', { valve: { open: false }, list: [1, 2], fw: '1.2' })
  clock.advance(1)
  await ask(hub, 'PATCH', '/v1/devices/pump-7/twin', { desired: { mode: null, valve: { speed: 3 } } })
  assert.deepEqual(await twinOf(hub, 'pump-7'), {
    ...{ device: 'pump-7', twin: 'main', version: 3, at: startMs + 2000 },
    desired: { valve: { open: true, speed: 3 }, list: [1, 2] },
    reported: { valve: { open: false }, list: [1, 2], fw: '1.2' },
    delta: { valve: { open: true, speed: 3 } },
    times: {
      desired: { valve: { open: startMs, speed: startMs + 2000 }, list: startMs },
      reported: { valve: { open: startMs + 1000 }, list: startMs + 1000, fw: startMs + 1000 },
    },
  })

  const past = await ask(hub, 'GET', `/v1/devices/pump-7/twin?at=${startMs + 1500}`)
  assert.deepEqual(past, {
    ...{ device: 'pump-7', twin: 'main', version: 2, at: startMs + 1000 },
    desired: { valve: { open: true }, mode: 'auto', list: [1, 2] },
    reported: { valve: { open: false }, list: [1, 2], fw: '1.2' },
    delta: { valve: { open: true }, mode: 'auto' },
  })
  const difference = await ask(hub, 'GET', `/v1/devices/pump-7/twin/diff?from=${startMs}&to=${startMs + 2000}`)
  assert.deepEqual(difference, {
    from: { version: 1, at: startMs },
    to: { version: 3, at: startMs + 2000 },
    desired: { mode: null, valve: { speed: 3 } },
    reported: { valve: { open: false }, list: [1, 2], fw: '1.2' },
  })
  const { versions, next } = (await ask(hub, 'GET', '/v1/devices/pump-7/twin/versions?limit=2')) as {
    versions: { version: number; part: string; by: string | null; patch: object }[]
    next: number
  }
  assert.deepEqual(
    versions.map(({ version, part, by, patch }) => [version, part, by, patch]),
    [
      [3, 'desired', 'anonymous', { mode: null, valve: { speed: 3 } }],
      [2, 'reported', null, { valve: { open: false }, list: [1, 2], fw: '1.2' }],
    ],
  )
  const rest = (await ask(hub, 'GET', `/v1/devices/pump-7/twin/versions?before=${next}`)) as { versions: object[]; next: null }
  assert.deepEqual([rest.versions.length, rest.next], [1, null])
  const { entries } = (await ask(hub, 'GET', '/v1/audit?action=twin.change')) as { entries: { target: string; detail: string }[] }
  assert.deepEqual(entries.map(({ target, detail }) => [target, detail])[0], ['device/pump-7', 'version 3 of main'])
})

test('a change that names a version is made to that one alone; of many at once one wins', async (t) => {
  const hub = await hubWith(t, 'pump-7')
  const path = '/v1/devices/pump-7/twin'
  const change = (n: number, version: string) => answered(hub, 'PATCH', path, { desired: { n } }, { 'if-match': version })
  const first = await change(1, '"0"')
  assert.deepEqual([first.status, first.etag, first.version], [200, '"1"', 1])
  const all = await Promise.all([2, 3, 4, 5].map((n) => change(n, '"1"')))
  assert.deepEqual(all.map(({ status, code }) => code ?? status).toSorted(), [200, 'twin-changed', 'twin-changed', 'twin-changed'])
  assert.equal(all.filter(({ status }) => status === 412).length, 3)
  assert.equal((await change(6, '*')).version, 3)
  assert.equal((await change(6, 'W/"3"')).version, 3, 'what changes nothing is no version')
  assert.equal((await change(6, 'three')).code, 'request-invalid')
  const removed = (version: string) => answered(hub, 'DELETE', '/v1/devices/pump-7/twins/main', '', { 'if-match': version })
  assert.equal((await removed('"2"')).code, 'twin-changed')
  assert.equal((await removed('"3"')).status, 200)
  assert.equal((await removed('*')).code, 'twin-unknown')
  assert.equal((await twinOf(hub, 'pump-7')).version, 0)
})

test('what is refused says why, and changes nothing', async (t) => {
  const hub = await hubWith(t, 'pump-7')
  const path = '/v1/devices/pump-7/twin'
  const cases: [string, string, unknown, number, string, RegExp][] = [
    ['PATCH', path, { reported: { a: 1 } }, 400, 'twin-invalid', /"desired" can be changed, and nothing called "reported"/],
    ['PATCH', path, {}, 400, 'twin-invalid', /a merge patch, or by null/],
    ['PATCH', path, '[]', 400, 'request-invalid', /one JSON object/],
    ['PATCH', path, { desired: { a: 'x'.repeat(limits.twinBytes) } }, 400, 'twin-invalid', /limits\.twinBytes/],
    ['PATCH', path, { desired: { a: 'x'.repeat(limits.twinPatchBytes) } }, 400, 'twin-invalid', /limits\.twinPatchBytes/],
    ['PATCH', '/v1/devices/pump-7/twins/a.b', { desired: {} }, 400, 'twin-invalid', /letters, digits, _ or -/],
    ['PATCH', '/v1/devices/pump-8/twin', { desired: {} }, 404, 'device-unknown', /pump-8/],
    ['POST', '/v1/devices/pump-7/state/reported', '[1]', 400, 'twin-invalid', /a JSON object/],
    ['POST', '/v1/devices/pump-7/state/reported', '', 400, 'twin-invalid', /not JSON/],
    ['POST', '/v1/devices/pump-7/state/a.b/reported', { a: 1 }, 400, 'twin-invalid', /letters, digits/],
    ['POST', '/v1/devices/a%20b/state/reported', { a: 1 }, 400, 'device-id-invalid', /./],
    ['POST', '/v1/publish', { topic: 'devices/pump-7/state/reported', text: 'on' }, 400, 'twin-invalid', /not JSON/],
  ]
  for (const [method, to, body, status, code, detail] of cases) {
    const answer = await answered(hub, method, to, body)
    assert.deepEqual([answer.status, answer.code], [status, code], JSON.stringify(body).slice(0, 60))
    assert.match(answer.detail ?? '', detail)
  }
  const { status, code } = await answered(hub, 'DELETE', '/v1/devices/pump-7/twins/valve', '')
  assert.deepEqual([status, code], [404, 'twin-unknown'])
  assert.equal((await fetch(`${hub.url}/v1/devices/pump-7/twins/valve`)).status, 404)
  assert.equal((await twinOf(hub, 'pump-7')).version, 0)
  assert.deepEqual(await ask(hub, 'GET', '/v1/devices/pump-7/twins'), { twins: [] })
})

test('the past that is not kept any more is said to be gone', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const startMs = clock.now()
  clock.advance(1)
  const pump = await moor(t, hub, 'pump-7', 5)
  const count = limits.twinVersions + 10
  for (let n = 0; n < count; n++) pump.sendPublish('devices/pump-7/state/reported', JSON.stringify({ n }))
  await pump.settle()
  assert.equal((await twinOf(hub, 'pump-7')).version, count)
  const response = await fetch(`${hub.url}/v1/devices/pump-7/twin?at=${startMs}`)
  assert.deepEqual([response.status, ((await response.json()) as { code: string }).code], [410, 'twin-past-gone'])
})

test('what is desired of many devices is changed by one request, and each has its outcome', async (t) => {
  const hub = await hubWith(t, 'a-1', 'a-2', 'b-1')
  for (const id of ['a-1', 'a-2']) await ask(hub, 'PATCH', `/v1/devices/${id}`, { type: 'pump', tags: { site: 'north' } })
  await ask(hub, 'PUT', '/v1/groups/north', { query: 'site=north' })
  await ask(hub, 'PATCH', '/v1/devices/a-2/twin', { desired: { open: true } })
  const many = (body: object) => ask(hub, 'POST', '/v1/twins', body)
  assert.deepEqual(await many({ group: 'north', desired: { open: true } }), {
    ...{ changed: 1, unchanged: 1, refused: 0 },
    outcomes: [
      { device: 'a-1', version: 1, changed: true },
      { device: 'a-2', version: 1, changed: false },
    ],
  })
  const named = (await many({ devices: ['b-1', 'c-1', 'b-1'], twin: 'valve', desired: { speed: 3 } })) as { outcomes: { code?: string }[] }
  assert.deepEqual(
    named.outcomes.map((one) => one.code ?? one),
    [{ device: 'b-1', version: 1, changed: true }, 'device-unknown'],
  )
  assert.deepEqual((await twinOf(hub, 'b-1', 'twins/valve')).desired, { speed: 3 })
  const typed = (await many({ type: 'pump', tag: 'site:north', desired: null })) as { changed: number }
  assert.equal(typed.changed, 2)
  for (const [body, code] of [
    [{ desired: {} }, 'request-invalid'],
    [{ group: 'north', devices: ['a-1'], desired: {} }, 'request-invalid'],
    [{ group: 'south', desired: {} }, 'group-unknown'],
    [{ group: 7, desired: {} }, 'request-invalid'],
    [{ devices: 'a-1', desired: {} }, 'request-invalid'],
    [{ devices: ['a b'], desired: {} }, 'device-id-invalid'],
    [{ devices: Array.from({ length: limits.twinTargets + 1 }, (_, n) => `d${n}`), desired: {} }, 'request-invalid'],
    [{ group: 'north', desired: [] }, 'twin-invalid'],
    [{ group: 'north', twin: 'a.b', desired: {} }, 'twin-invalid'],
    [{ group: 'north', wanted: {} }, 'request-invalid'],
  ] as const)
    assert.equal((await answered(hub, 'POST', '/v1/twins', body)).code, code, JSON.stringify(body).slice(0, 60))
  const { entries } = (await ask(hub, 'GET', '/v1/audit?action=twin.change')) as { entries: { target: string; detail: string }[] }
  assert.ok(
    entries.some(({ target, detail }) => target === 'devices/group north' && detail === 'main: 1 changed, 1 as they were, 0 refused'),
  )
})

test('a device reads its own twin and reports; what is desired is for those who may command it', async (t) => {
  const hub = await hubWith(t, 'x', 'y')
  const device = await giveDevice(hub, 'x')
  const operator = await keyWith(hub, 'commands-x', allow(['command'], 'devices/x'), allow(['subscribe'], 'devices/#'))
  const own = '/v1/devices/x/twin'
  assert.deepEqual(await answerTo(hub, 'POST', '/v1/devices/x/state/reported', device, '{"n":1}'), [200, undefined])
  assert.deepEqual(await answerTo(hub, 'POST', '/v1/devices/y/state/reported', device, '{"n":1}'), [403, 'not-allowed'])
  assert.deepEqual(await answerTo(hub, 'GET', own, device), [200, undefined])
  assert.deepEqual(await answerTo(hub, 'GET', '/v1/devices/y/twin', device), [403, 'not-allowed'])
  assert.deepEqual(await answerTo(hub, 'PATCH', own, device, '{"desired":{"n":2}}'), [403, 'not-allowed'])
  assert.deepEqual(await answerTo(hub, 'PATCH', own, operator, '{"desired":{"n":2}}'), [200, undefined])
  assert.deepEqual(await answerTo(hub, 'DELETE', '/v1/devices/x/twins/main', operator), [403, 'not-allowed'])
  const response = await fetch(`${hub.url}/v1/twins`, {
    method: 'POST',
    headers: bearer(operator),
    body: '{"devices":["x","y"],"desired":{"n":3}}',
  })
  const { changed, outcomes } = (await response.json()) as { changed: number; outcomes: { device: string; code?: string }[] }
  assert.deepEqual([changed, outcomes.find((one) => one.device === 'y')?.code], [1, 'not-allowed'])
})

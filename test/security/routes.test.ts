// Every route of the HTTP server asks for what the table says: who has exactly that passes, who lacks exactly that does not, and no way to
// write a path gets around it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { after, type TestContext, test } from 'node:test'
import type { Rule } from '../../devices/identity.ts'
import { needs } from '../../hub/listen/rights.ts'
import { startHub } from '../kit/hub.ts'
import { allow, answerTo, ask, bearer, deny, giveDevice, keyWith, type Made } from './kit.ts'

const hub = await startHub({ after } as unknown as TestContext)
for (const device of ['x', 'y']) await ask(hub, 'POST', `/v1/devices/${device}/telemetry`, { [`of${device}`]: 1 })

const every = ['publish', 'subscribe', 'retain', 'command', 'admin'] as const
const everything = [allow(every, '#'), allow(every, '$SYS/#')]

/** Of a route with this need: what is enough, and what is all but that. */
const tries: Readonly<Record<string, { readonly enough: Rule[]; readonly allBut: Rule[][]; readonly query?: string }>> = {
  device: {
    enough: [allow(['subscribe'], 'devices/x/#')],
    allBut: [
      [...everything, deny(['subscribe'], 'devices/x/#')],
      [...everything, deny(['subscribe'], 'devices/x/telemetry')],
    ],
  },
  devices: {
    enough: [allow(['subscribe'], 'devices/x/#')],
    allBut: [[...everything, deny(['subscribe'], 'devices/x/#')], [allow(every, 'devices/y/#')]],
    query: 'device=x',
  },
  every: {
    enough: [allow(['subscribe'], 'devices/+/#')],
    allBut: [[...everything, deny(['subscribe'], 'devices/y/#')], [allow(every, 'devices/x/#')]],
    query: 'device=x',
  },
  command: {
    enough: [allow(['command'], 'devices/x')],
    allBut: [
      [...everything, deny(['command'], 'devices/x')],
      [allow(['publish', 'subscribe', 'retain', 'admin'], '#'), allow(['command'], 'devices/y')],
    ],
  },
  hub: {
    enough: [allow(['subscribe'], '$SYS/#')],
    allBut: [[allow(every, '#')], [...everything, deny(['subscribe'], '$SYS/broker/load/#')]],
  },
  everything: {
    enough: [allow(['subscribe'], '#'), allow(['subscribe'], '$SYS/#')],
    allBut: [[allow(every, '#')], [...everything, deny(['subscribe'], 'a/b')]],
  },
  'admin of a device': {
    enough: [allow(['admin'], 'devices/x')],
    allBut: [
      [...everything, deny(['admin'], 'devices/x')],
      [allow(every, 'hub'), allow(every, 'devices/y'), allow(every, 'x')],
    ],
  },
  'admin of the hub': { enough: [allow(['admin'], 'hub')], allBut: [[...everything, deny(['admin'], 'hub')], [allow(every, 'devices/#')]] },
}

const values: Readonly<Record<string, string>> = {
  id: 'x',
  metric: 'm',
  command: 'c',
  credential: 'c0',
  bulk: 'b0',
  name: 'x',
  key: 'k0',
  claim: 'BCDF-GHJK',
  address: '198.51.100.1',
  conversation: 'x0',
  extension: 'x',
}
const needIn = (route: string) =>
  (needs[route] === 'admin' ? `admin of ${route.includes('/devices/:id') ? 'a device' : 'the hub'}` : needs[route]) as string

/** The status, and the code of a refusal; of a stream the head alone is waited for. */
async function statusOf(method: string, path: string, made: Made): Promise<string> {
  const asking = request(hub.url + path, { method, headers: bearer(made) })
  asking.on('error', () => {})
  asking.end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  let text = ''
  if (/problem/.test(response.headers['content-type'] ?? '')) for await (const chunk of response) text += (chunk as Buffer).toString()
  response.destroy()
  return `${response.statusCode} ${text === '' ? '' : (JSON.parse(text) as { code: string }).code}`
}

test('the table has every route that the server has, and none besides', async () => {
  const { paths } = (await hub.get('/v1/openapi.json')) as { paths: Record<string, Record<string, unknown>> }
  const said = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1').replace('{*}', '*')}`),
  )
  const undocumented = ['GET /v1/openapi.json', 'GET /docs', 'GET /docs/errors', 'GET /docs/docs.css']
  for (const route of undocumented) assert.equal((await fetch(hub.url + route.slice(4))).status, 200, route)
  assert.deepEqual(
    said.filter((route) => !route.startsWith('HEAD')).sort(),
    Object.keys(needs)
      .filter((route) => !undocumented.includes(route))
      .sort(),
  )
  assert.ok(said.length > 30)
})

for (const [need, { enough, allBut, query }] of Object.entries(tries)) {
  test(`the need "${need}": exactly that is enough, all but that is not`, async () => {
    const name = need.replaceAll(' ', '-')
    const passes = await keyWith(hub, `has-${name}`, ...enough)
    const fails = await Promise.all(allBut.map((rules, at) => keyWith(hub, `lacks-${name}-${at}`, ...rules)))
    const nothing = await keyWith(hub, 'nothing')
    const routes = Object.keys(needs).filter((route) => needIn(route) === need)
    assert.ok(routes.length > 0)
    for (const route of routes) {
      const [method, path = ''] = route.split(' ') as [string, string]
      const target = `${path.replaceAll(/:(\w+)/g, (_, parameter: string) => values[parameter] as string)}${query === undefined ? '' : `?${query}`}`
      for (const one of [...fails, nothing]) {
        assert.equal(await statusOf(method, target, one), '403 not-allowed', `${method} ${target} by ${one.id}`)
        if (method === 'GET') assert.match(await statusOf('HEAD', target, one), /^40[345]/, target)
      }
      assert.doesNotMatch(await statusOf(method, target, passes), /^(401|403)/, `${method} ${target}`)
    }
  })
}

test('a free route lets in whoever has a credential, and nobody without a valid one', async () => {
  const nothing = await keyWith(hub, 'nothing')
  for (const route of Object.keys(needs).filter((one) => needs[one] === 'free')) {
    const [method, path = ''] = route.split(' ') as [string, string]
    const target = path.replaceAll(/:(\w+)/g, (_, parameter: string) => values[parameter] as string)
    assert.doesNotMatch(await statusOf(method, target, nothing), /^401/, route)
    const isProbe = path === '/healthz' || path === '/readyz'
    if (!isProbe) assert.match(await statusOf(method, target, { id: '', secret: 'mrg_wrong' }), /^401/, route)
  }
})

test('what a query names decides, however it is written', async () => {
  const { secret, id } = await giveDevice(hub, 'x')
  const own = { secret, id }
  const routes = [
    '/v1/latest',
    '/v1/telemetry/points',
    '/v1/telemetry/buckets',
    '/v1/telemetry/chart',
    '/v1/export',
    '/v1/events',
    '/v1/devices',
  ]
  for (const path of routes) {
    for (const query of [
      '',
      'device=y',
      'device=x&device=y',
      'device=',
      'device=x,y',
      'device=%23',
      'device=%2B',
      'device[]=y',
      'device[0]=x',
      'Device=x',
      '%64evice=y',
      'device=x%00',
      'device=x/../y',
      'type=pump',
    ]) {
      const status = await statusOf('GET', `${path}?${query}`, own)
      assert.match(status, /^40[03]/, `${path}?${query} ${status}`)
    }
  }
  const latest = await fetch(`${hub.url}/v1/latest?device=x`, { headers: bearer(own) })
  assert.equal(latest.status, 200)
  assert.doesNotMatch(await latest.text(), /ofy/)
})

test('a device that follows its own changes hears of no other device', async (t) => {
  const own = await giveDevice(hub, 'x')
  const stop = new AbortController()
  t.after(() => stop.abort())
  const { body } = await fetch(`${hub.url}/v1/events?device=x`, { headers: bearer(own), signal: stop.signal })
  const reader = (body as ReadableStream<Uint8Array>).getReader()
  await ask(hub, 'POST', '/v1/devices/newcomer/telemetry', { a: 1 })
  await ask(hub, 'POST', '/v1/devices/x/telemetry', { behind: 1 })
  let text = ''
  while (!text.includes('behind')) text += Buffer.from((await reader.read()).value ?? []).toString()
  assert.doesNotMatch(text, /newcomer/)
})

test('no other way to write a path leads around the table', async () => {
  const own = await giveDevice(hub, 'x')
  const written = [
    ...[
      '/v1/hub',
      '//v1/hub',
      '/v1//hub',
      '/V1/hub',
      '/v1/HUB',
      '/v1/hub/',
      '/v1/hub?a=b',
      '/v1/%68ub',
      '/v1/./hub',
      '/v1/x/../hub',
      '/v1/hub;a',
      '/v1/hub%2f',
      '/v1%2fhub',
    ],
    ...[
      '/v1/hub%00',
      '/%2e/v1/hub',
      '/v1/%2e%2e/v1/hub',
      '\\v1\\hub',
      '/v1/hub#a',
      '/docs/../v1/hub',
      '/healthz/../v1/hub',
      '/healthz%2f..%2fv1%2fhub',
      'http://localhost/v1/hub',
    ],
    ...[
      '/v1/devices/y',
      '/v1/devices/y/',
      '/v1/devices/%79',
      '/v1/devices/x%2f..%2fy',
      '/v1/devices/x/../y',
      '/v1/devices/x%2F%2E%2E%2Fy/telemetry',
      '/v1/devices//y',
      '/v1/devices/y%2Ftelemetry',
    ],
    ...[
      '/v1/devices/y/telemetry',
      '/v1/devices/y/series',
      '/v1/devices/+/telemetry',
      '/v1/devices/%2B/telemetry',
      '/v1/devices/%23/telemetry',
      '/v1/devices/x%23/telemetry',
      '/v1/devices/x%00y',
    ],
    ...[
      '/v1/keys',
      '/v1/roles',
      '/v1/audit',
      '/v1/store',
      '/v1/devices',
      '/v1/export',
      '/v1/devices/x/credentials',
      '/v1/devices/y/credentials',
    ],
  ]
  for (const method of ['GET', 'HEAD', 'get', 'PROPFIND', 'OPTIONS']) {
    for (const path of written) {
      const asking = request(hub.url, {
        method,
        path,
        headers: { ...bearer(own), 'x-http-method-override': 'GET', 'x-original-url': '/healthz', 'x-rewrite-url': '/healthz' },
      })
      asking.end()
      const response = await new Promise<IncomingMessage | undefined>((resolve) => {
        asking.on('response', resolve)
        asking.on('error', () => resolve(undefined)) // no HTTP at all: cut off
      })
      if (response === undefined) continue
      let text = ''
      for await (const chunk of response) text += (chunk as Buffer).toString()
      assert.ok((response.statusCode as number) >= 400, `${method} ${path}: ${response.statusCode} ${text.slice(0, 80)}`)
      assert.doesNotMatch(text, /ofy|"limits"|"figures"/, path)
    }
  }
})

test('who administers a device gives it no rights that are not his to give, and makes no keys', async () => {
  const keeper = await keyWith(hub, 'keeper', allow(['admin'], 'devices/x'), allow(['admin'], 'devices/keeper'))
  assert.deepEqual(await answerTo(hub, 'POST', '/v1/devices/x/credentials', keeper, '{}'), [200, undefined])
  for (const role of ['admin', 'operator', 'viewer', 'keeper']) {
    assert.deepEqual(await answerTo(hub, 'POST', '/v1/devices/x/credentials', keeper, JSON.stringify({ role })), [403, 'not-allowed'], role)
  }
  for (const name of ['x', 'keeper'])
    assert.deepEqual(await answerTo(hub, 'POST', `/v1/keys/${name}`, keeper, '{"role":"admin"}'), [403, 'not-allowed'])
  for (const path of ['/v1/roles/keeper', '/v1/roles/x'])
    assert.deepEqual(await answerTo(hub, 'PUT', path, keeper, '[]'), [403, 'not-allowed'])
  const explained = `/v1/permissions/explain?action=admin&topic=hub&role=admin`
  assert.deepEqual(await answerTo(hub, 'GET', explained, keeper), [403, 'not-allowed'])
})

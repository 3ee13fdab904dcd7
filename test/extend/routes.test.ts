// hub.route: HTTP routes of extensions below /x/{extension}/, each with a stated right.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { extension } from '../../hub/extend/extension.ts'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { startHub } from '../kit/hub.ts'
import { LogLines } from '../kit/log.ts'
import { allow, bearer, keyWith } from '../security/kit.ts'
import { gate, hubWith, Inbox, mine } from './kit.ts'

const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code

test('a route is one of fastify: parameters, query, body, schema, status', async (t) => {
  const hub = await hubWith(t, [
    mine((h) => {
      h.route({
        method: 'POST',
        url: '/sum/:first',
        schema: { querystring: { type: 'object', properties: { times: { type: 'integer' } }, required: ['times'] } },
        handler: async (request, reply) => {
          const { first } = request.params as { first: string }
          const { times } = request.query as { times: number }
          reply.code(201)
          return { sum: Number(first) + (request.body as { b: number }).b * times }
        },
      })
      h.route({ method: 'PUT', url: '/raw', handler: async ({ body }) => (body as Buffer).length })
      h.route({ method: 'GET', url: '/text', handler: (_, reply) => void reply.send('text') })
    }),
  ])
  const json = { 'content-type': 'application/json' }
  const sum = await hub.post('/x/mine/sum/1?times=3', { b: 2 }, json)
  assert.deepEqual([sum.status, await sum.json()], [201, { sum: 7 }])
  assert.equal(sum.headers.get('x-content-type-options'), 'nosniff')
  assert.equal(await codeOf(await hub.post('/x/mine/sum/1', { b: 2 }, json)), 'request-invalid')
  assert.equal(await codeOf(await hub.post('/x/mine/sum/1?times=1', '{', json)), 'request-invalid')
  assert.equal(await codeOf(await hub.post('/x/mine/sum/1?times=1', 'x'.repeat(limits.bodyBytes + 1), json)), 'body-too-large')
  assert.equal(await (await fetch(`${hub.url}/x/mine/raw`, { method: 'PUT', body: 'abc' })).text(), '3')
  assert.equal(await (await fetch(`${hub.url}/x/mine/text`)).text(), 'text')
  assert.equal((await fetch(`${hub.url}/x/mine/text`, { method: 'HEAD' })).status, 200)
  for (const path of ['/x/mine/other', '/x/mine/', '/x/other/text', '/x/mine']) {
    assert.equal(await codeOf(await fetch(hub.url + path)), 'not-found', path)
  }
})

test('who asks is let in as the route says: admins, unless it says else', async (t) => {
  const lines = new LogLines()
  const extensions = [
    mine((h) => {
      h.route({ method: 'GET', url: '/admin', handler: async () => 'admin' })
      h.route({ method: 'GET', url: '/free', right: 'free', handler: async ({ principal }) => principal.identity.name })
      h.route({ method: 'GET', url: '/open', right: 'open', handler: async () => 'open' })
    }),
  ]
  const open = await startHub(t, {}, undefined, { log: lines.log, extensions })
  const admin = await keyWith(open, 'boss', allow(['admin'], 'hub'))
  const nothing = await keyWith(open, 'nothing')
  await open.stop()
  const hub = await startHub(t, { data: open.folder, allowAnonymous: 'nobody' }, undefined, { log: lines.log, extensions })
  const asked = async (path: string, headers: Record<string, string>) => {
    const response = await fetch(`${hub.url}/x/mine/${path}`, { headers })
    return response.status === 200 ? response.text() : `${response.status} ${await codeOf(response)}`
  }
  const wrong = { authorization: 'Bearer mrg_wrong' }
  const table = []
  for (const path of ['admin', 'free', 'open', 'none']) {
    const row = []
    for (const headers of [bearer(admin), bearer(nothing), {}, wrong]) row.push(await asked(path, headers as Record<string, string>))
    table.push(row)
  }
  assert.deepEqual(table, [
    ['admin', '403 not-allowed', '401 not-authorized', '401 bad-credentials'],
    ['boss', 'nothing', '401 not-authorized', '401 bad-credentials'],
    ['open', 'open', 'open', '401 bad-credentials'],
    ['404 not-found', '404 not-found', '404 not-found', '401 bad-credentials'],
  ])
})

test('a route that throws, or hangs, ends its own request and nothing else', async (t) => {
  const clock = new HandClock()
  const asked = new Inbox<string>()
  const hub = await hubWith(
    t,
    [
      mine((h) => {
        const throws = () => {
          throw new Error('a secret of the extension')
        }
        h.route({ method: 'GET', url: '/throws', handler: throws })
        h.route({ method: 'GET', url: '/rejects', handler: async () => throws() })
        h.route({ method: 'GET', url: '/before', preHandler: async () => throws(), handler: async () => 1 })
        h.route({
          method: 'GET',
          url: '/hangs',
          handler: () => {
            asked.push('hangs')
            return new Promise(() => {})
          },
        })
      }),
    ],
    clock,
  )
  for (const path of ['throws', 'rejects', 'before']) {
    const response = await fetch(`${hub.url}/x/mine/${path}`)
    const text = await response.text()
    assert.equal(response.status, 502)
    assert.equal((JSON.parse(text) as { code: string }).code, 'extension-failed')
    assert.doesNotMatch(text, /secret/)
    assert.equal((await hub.handler(`route GET /${path}`))['failures'], 1, path)
  }
  const hanging = fetch(`${hub.url}/x/mine/hangs`)
  await asked.until(1)
  clock.advance(limits.handlerSeconds + 2)
  assert.equal(await codeOf(await hanging), 'extension-late')
  assert.equal((await hub.handler('route GET /hangs'))['late'], 1)
})

test('requests of one extension that hang leave room for those of the others', async (t) => {
  const { opened, open } = gate()
  const asked = new Inbox<string>()
  const hub = await hubWith(t, [
    mine((h) =>
      h.route({
        method: 'GET',
        url: '/wait',
        handler: async () => {
          asked.push('one')
          await opened
          return 'waited'
        },
      }),
    ),
    extension('other', (h) => h.route({ method: 'GET', url: '/hello', handler: async () => 'hello' })),
  ])
  const waiting = Array.from({ length: limits.extensionRequests }, () => fetch(`${hub.url}/x/mine/wait`))
  await asked.until(limits.extensionRequests)
  const tooMany = await fetch(`${hub.url}/x/mine/wait`)
  assert.deepEqual([tooMany.status, await codeOf(tooMany)], [503, 'too-many-extension-requests'])
  assert.equal(await (await fetch(`${hub.url}/x/other/hello`)).text(), 'hello')
  open()
  for (const one of waiting) assert.equal(await (await one).text(), 'waited')
  assert.equal((await fetch(`${hub.url}/x/mine/wait`)).status, 200)
})

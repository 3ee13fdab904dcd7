// Who may come in, by the API: credentials, keys, roles, provisioning, devices made and deleted, what the audit log says of it; and those who
// know whom the hub does not, over real HTTP.
import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { limits } from '../../hub/limits.ts'
import { type InProcessHub, startHub } from '../kit/hub.ts'
import { dial, moor, refusalsWith } from '../kit/mqtt.ts'

interface Answer {
  readonly status: number
  readonly body: { readonly [name: string]: unknown }
}

async function ask(hub: InProcessHub, method: string, path: string, body?: unknown, token?: string): Promise<Answer> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await fetch(hub.url + path, { method, headers, ...sent })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

const codeOf = async (answer: Promise<Answer>): Promise<unknown[]> => {
  const { status, body } = await answer
  return [status, body['code']]
}

/** Made on this machine, where nobody is asked who he is. */
async function made(hub: InProcessHub, path: string, wanted: object = {}): Promise<{ id: string; secret: string }> {
  const { status, body } = await ask(hub, 'POST', path, wanted)
  assert.equal(status, 200, JSON.stringify(body))
  return body as { id: string; secret: string }
}

const withToken = (secret: string) => ({ username: 'any', password: Buffer.from(secret) })

test('a credential opens MQTT, WebSocket and HTTP alike, and what it opens is closed when it is revoked', async (t) => {
  const hub = await startHub(t)
  const { id, secret } = await made(hub, '/v1/devices/pump-7/credentials')
  assert.match(secret, /^mrg_/)
  for (const wire of ['TCP', 'WebSocket'] as const) {
    const client = await moor(t, hub, `pump-7:${wire}`, 5, withToken(secret), wire)
    await client.publish('devices/pump-7/telemetry', '{"t":1}', { qos: 1 })
    await client.leave()
  }
  const byUsername = await moor(t, hub, 'pump-7', 4, { username: secret })
  await byUsername.leave()
  assert.deepEqual((await ask(hub, 'POST', '/v1/devices/pump-7/telemetry', { t: 2 }, secret)).body, { stored: 1 })
  assert.equal((await ask(hub, 'GET', '/v1/devices/pump-7', undefined, secret)).status, 200)
  for (const path of ['/v1/devices', '/v1/devices/pump-8', '/v1/hub', '/v1/keys', '/v1/audit', '/v1/retained?filter=%23']) {
    assert.deepEqual(await codeOf(ask(hub, 'GET', path, undefined, secret)), [403, 'not-allowed'], path)
  }
  assert.deepEqual(await codeOf(ask(hub, 'POST', '/v1/devices/pump-8/telemetry', { t: 2 }, secret)), [403, 'not-allowed'])

  const ended = await refusalsWith(hub, 'credential-ended')
  const connected = await moor(t, hub, 'pump-7', 5, withToken(secret))
  const listed = (await ask(hub, 'GET', '/v1/devices/pump-7/credentials')).body['credentials'] as { id: string; secret?: string }[]
  assert.deepEqual(
    listed.map((one) => [one.id, one.secret]),
    [[id, undefined]],
  )
  assert.equal((await ask(hub, 'DELETE', `/v1/credentials/${id}`)).status, 200)
  const { reasonCode, properties } = await connected.next('disconnect')
  assert.deepEqual([reasonCode, properties?.reasonString], [0x87, 'The credential that this connection came by is revoked.'])
  assert.equal(await ended(), 1)
  assert.deepEqual(await codeOf(ask(hub, 'GET', '/v1/devices/pump-7', undefined, secret)), [401, 'bad-credentials'])
  assert.deepEqual(await codeOf(ask(hub, 'DELETE', `/v1/credentials/${id}`)), [404, 'credential-unknown'])
})

test('a password credential, and what is said of one that cannot be made', async (t) => {
  const hub = await startHub(t)
  const { secret } = await made(hub, '/v1/devices/pump-7/credentials', { kind: 'password', name: 'pump7' })
  const client = await moor(t, hub, 'pump-7', 5, { username: 'pump7', password: Buffer.from(secret) })
  assert.equal(client.connack.reasonCode, 0)
  const wrong = await dial(t, hub, 5)
  assert.equal((await wrong.connect('pump-7', { username: 'pump7', password: Buffer.from('wrong') })).reasonCode, 0x86)
  for (const [body, code] of [
    [{ kind: 'magic' }, 'credential-invalid'],
    [{ color: 'red' }, 'credential-invalid'],
    [{ until: 'soon' }, 'credential-invalid'],
    [{ label: 5 }, 'credential-invalid'],
    [{ role: 'nobody-made-it' }, 'role-unknown'],
  ] as const) {
    assert.equal((await ask(hub, 'POST', '/v1/devices/pump-7/credentials', body)).body['code'], code, JSON.stringify(body))
  }
})

test('a role that is changed changes what its devices may do at once, and closes who has lost a subscription', async (t) => {
  const hub = await startHub(t)
  const both = [{ effect: 'allow', actions: ['subscribe', 'publish'], filter: 'plants/%t(site)/#' }]
  assert.equal((await ask(hub, 'PUT', '/v1/roles/plant', both)).status, 200)
  await ask(hub, 'POST', '/v1/devices', { id: 'pump-7', tags: { site: 'north' } })
  const { secret } = await made(hub, '/v1/devices/pump-7/credentials', { role: 'plant' })
  const client = await moor(t, hub, 'pump-7', 5, withToken(secret))
  assert.equal((await client.subscribe('plants/north/#')).granted[0], 0)
  assert.equal((await client.subscribe('plants/south/#')).granted[0], 0x87)

  const explained = await ask(hub, 'GET', '/v1/permissions/explain?action=publish&topic=plants/north/x&device=pump-7')
  assert.deepEqual([explained.body['allowed'], explained.body['role']], [true, 'plant'])
  const own = await ask(hub, 'GET', '/v1/permissions/explain?action=publish&topic=plants/south/x', undefined, secret)
  assert.equal(own.body['allowed'], false)
  assert.deepEqual(await codeOf(ask(hub, 'GET', '/v1/permissions/explain?action=publish&topic=a&device=pump-8', undefined, secret)), [
    403,
    'not-allowed',
  ])

  await fetch(`${hub.url}/v1/devices/pump-7`, { method: 'PATCH', body: '{"tags":{"site":"south"}}' })
  assert.equal((await client.next('disconnect')).reasonCode, 0x87, 'the tag of the device has moved its rights')
  const again = await moor(t, hub, 'pump-7', 5, withToken(secret))
  assert.equal((await again.subscribe('plants/south/#')).granted[0], 0)
  assert.deepEqual(await codeOf(ask(hub, 'PUT', '/v1/roles/plant', [{ effect: 'allow' }])), [400, 'role-invalid'])
  assert.equal((await ask(hub, 'DELETE', '/v1/roles/plant')).status, 200)
  assert.equal((await again.next('disconnect')).reasonCode, 0x87)
  assert.deepEqual(await codeOf(ask(hub, 'DELETE', '/v1/roles/plant')), [404, 'role-unknown'])
})

test('a device is put on record, disabled, enabled and deleted with all it had', async (t) => {
  const hub = await startHub(t)
  assert.equal((await ask(hub, 'POST', '/v1/devices', { id: 'pump-7', type: 'pump' })).body['type'], 'pump')
  assert.deepEqual(await codeOf(ask(hub, 'POST', '/v1/devices', { id: 'pump-7' })), [409, 'device-known'])
  assert.deepEqual(await codeOf(ask(hub, 'POST', '/v1/devices', { id: 'a/b' })), [400, 'device-id-invalid'])
  const { secret } = await made(hub, '/v1/devices/pump-7/credentials')
  const client = await moor(t, hub, 'pump-7', 5, withToken(secret))
  await client.publish('devices/pump-7/telemetry', '{"t":1}', { qos: 1 })
  await client.publish('devices/pump-7/state', 'on', { qos: 1, retain: true })

  assert.equal((await ask(hub, 'PUT', '/v1/devices/pump-7/disabled', true)).status, 200)
  assert.equal((await client.next('disconnect')).properties?.reasonString, 'The device pump-7 is disabled; an operator can enable it.')
  assert.deepEqual(await codeOf(ask(hub, 'GET', '/v1/devices/pump-7', undefined, secret)), [403, 'device-disabled'])
  assert.equal((await ask(hub, 'PUT', '/v1/devices/pump-7/disabled', false)).status, 200)
  const back = await moor(t, hub, 'pump-7', 5, withToken(secret))

  assert.equal((await ask(hub, 'DELETE', '/v1/devices/pump-7')).status, 200)
  assert.equal((await back.next('disconnect')).reasonCode, 0x87)
  assert.deepEqual(await codeOf(ask(hub, 'GET', '/v1/devices/pump-7')), [404, 'device-unknown'])
  assert.deepEqual(await codeOf(ask(hub, 'GET', '/v1/devices/pump-7', undefined, secret)), [401, 'bad-credentials'])
  assert.deepEqual((await ask(hub, 'GET', '/v1/retained?filter=devices/%23')).body['messages'], [])
  assert.deepEqual(await codeOf(ask(hub, 'DELETE', '/v1/devices/pump-7')), [404, 'device-unknown'])
})

test('a device that knows a provisioning key gets a token of its own, once', async (t) => {
  const hub = await startHub(t)
  const { id, secret: key } = await made(hub, '/v1/provisioning', { pattern: 'pump-*', uses: 2, type: 'pump', tags: { site: 'north' } })
  const { body } = await ask(hub, 'POST', '/v1/provision', { device: 'pump-7', key })
  const client = await moor(t, hub, 'pump-7', 5, withToken(String(body['token'])))
  assert.equal(client.connack.reasonCode, 0)
  const device = (await ask(hub, 'GET', '/v1/devices/pump-7')).body
  assert.deepEqual([device['type'], device['tags']], ['pump', { site: 'north' }])
  assert.deepEqual(await codeOf(ask(hub, 'POST', '/v1/provision', { device: 'pump-7', key })), [403, 'provisioning-refused'])
  assert.deepEqual(await codeOf(ask(hub, 'POST', '/v1/provision', { device: 'fan-1', key })), [403, 'provisioning-refused'])
  assert.deepEqual(await codeOf(ask(hub, 'POST', '/v1/provision', { device: 'pump-8', key: `${key}x` })), [401, 'bad-credentials'])
  assert.equal((await ask(hub, 'DELETE', `/v1/provisioning/${id}`)).status, 200)
  assert.deepEqual(await codeOf(ask(hub, 'POST', '/v1/provision', { device: 'pump-8', key })), [401, 'bad-credentials'])
})

test('the audit log says who did what, and who was not let in', async (t) => {
  const hub = await startHub(t)
  const { secret } = await made(hub, '/v1/keys/ci', { role: 'admin' })
  await ask(hub, 'PUT', '/v1/roles/plant', [], secret)
  await codeOf(ask(hub, 'GET', '/v1/hub', undefined, 'mrg_wrong'))
  const actions = async () => {
    const { body } = await ask(hub, 'GET', '/v1/audit?limit=10')
    return (body['entries'] as { who: string; action: string; outcome: string; detail: string }[]).map((entry) =>
      [entry.who, entry.action, entry.outcome].join(' '),
    )
  }
  while ((await actions()).length < 3) await new Promise(setImmediate)
  assert.deepEqual(await actions(), [' authenticate refused', 'key/ci role.put done', 'anonymous credential.create done'])
  const { body } = await ask(hub, 'GET', '/v1/audit?who=key/ci&limit=1')
  assert.deepEqual([(body['entries'] as unknown[]).length, body['next']], [1, null])
  assert.ok(!JSON.stringify((await ask(hub, 'GET', '/v1/audit')).body).includes('mrg_'))
})

test('the audit log comes as a file, page behind page, and runs nothing in a spreadsheet', async (t) => {
  const hub = await startHub(t)
  const count = limits.pageAudit + 20
  for (let at = 0; at < count; at += 60) {
    await Promise.all(Array.from({ length: 60 }, () => ask(hub, 'PUT', '/v1/roles/plant', [])))
  }
  await made(hub, `/v1/keys/${encodeURIComponent('=1+1,"x"')}`, {})
  const stored = async () => ((await ask(hub, 'GET', '/v1/audit?limit=1')).body['entries'] as { id: number; action: string }[])[0]
  while ((await stored())?.action !== 'credential.create') await new Promise(setImmediate)
  const all = (await stored())?.id ?? 0
  assert.ok(all > limits.pageAudit)

  const csv = await fetch(`${hub.url}/v1/audit/export?format=csv`)
  assert.match(csv.headers.get('content-disposition') ?? '', /^attachment; filename="audit-\d{4}-\d\d-\d\d\.csv"$/)
  const [header, newest, ...rows] = (await csv.text()).trimEnd().split('\r\n')
  assert.equal(header, 'id,at,who,from,action,target,outcome,detail')
  assert.match(newest ?? '', new RegExp(`^${all},\\d{4}-\\d\\d-\\d\\dT.*,anonymous,127\\.0\\.0\\.1,credential\\.create,"?key/`))
  assert.equal(rows.length, all - 1)
  const lines = (await (await fetch(`${hub.url}/v1/audit/export?format=ndjson&action=role.put`)).text()).trimEnd().split('\n')
  const ids = lines.map((line) => (JSON.parse(line) as { id: number }).id)
  assert.deepEqual(
    ids,
    [...new Set(ids)].sort((a, b) => b - a),
  )
  assert.equal(ids.length, all - 1)
  assert.equal((await fetch(`${hub.url}/v1/audit/export?format=xml`)).status, 400)
})

async function serving(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  t.after(() => server.close().closeAllConnections())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

test('a token of an issuer lets its device in until it ends', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'ES256' }] })
  const jwtKeys = await serving(t, (_, response) => response.end(jwks))
  const hub = await startHub(t, { jwtKeys, jwtIssuer: 'https://issuer.example', jwtAudience: 'mooring' })
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const tokenFor = (sub: string, seconds: number) => {
    const claims = { iss: 'https://issuer.example', aud: 'mooring', sub, exp: Math.floor(Date.now() / 1000) + seconds }
    const signed = `${part({ alg: 'ES256', kid: 'k' })}.${part(claims)}`
    return `${signed}.${sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }
  const client = await moor(t, hub, 'pump-7', 5, withToken(tokenFor('pump-7', 600)))
  await client.publish('devices/pump-7/telemetry', '{"t":1}', { qos: 1 })
  assert.deepEqual(await codeOf(ask(hub, 'GET', '/v1/devices/pump-7', undefined, tokenFor('pump-8', 600))), [403, 'not-allowed'])
  assert.deepEqual(await codeOf(ask(hub, 'GET', '/v1/devices/pump-7', undefined, tokenFor('pump-7', -60))), [401, 'bad-credentials'])

  // The hub allows for clocks that differ by half a minute.
  const brief = await moor(t, hub, 'pump-9', 5, withToken(tokenFor('pump-9', -28)))
  const { properties } = await brief.next('disconnect')
  assert.equal(properties?.reasonString, 'The credential that this connection came by is expired.')
})

test('a service outside is asked about user names that the hub does not know', async (t) => {
  const asked: unknown[] = []
  const authUrl = await serving(t, (request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const said = JSON.parse(text) as { username: string; password: string }
      asked.push([request.headers.authorization, said.username])
      if (said.password === 'right') response.end(JSON.stringify({ device: said.username }))
      else response.writeHead(403).end()
    })
  })
  const hub = await startHub(t, { authUrl, authSecret: 'Bearer of-the-hub' })
  const client = await moor(t, hub, 'pump-7', 5, { username: 'pump-7', password: Buffer.from('right') })
  await client.publish('devices/pump-7/telemetry', '{"t":1}', { qos: 1 })
  const wrong = await dial(t, hub, 5)
  assert.equal((await wrong.connect('pump-8', { username: 'pump-8', password: Buffer.from('wrong') })).reasonCode, 0x86)
  assert.deepEqual(asked, [
    ['Bearer of-the-hub', 'pump-7'],
    ['Bearer of-the-hub', 'pump-8'],
  ])
})

// A device without any secret over HTTP, from its first word to its first reading.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startHub } from '../kit/hub.ts'

async function open(t: TestContext, allowClaims = true) {
  const hub = await startHub(t, { allowClaims })
  const ask = async (method: string, path: string, body?: object, token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const response = await fetch(hub.url + path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    const answer = (await response.json()) as Record<string, unknown>
    return { status: response.status, retryAfter: response.headers.get('retry-after'), answer, code: answer['code'] }
  }
  return { hub, ask }
}

test('a device asks, shows its code, is claimed by an operator and sends its first reading', async (t) => {
  const { ask } = await open(t)
  const first = await ask('POST', '/v1/provision', { device: 'pump-7' })
  const { claim, secret, until, pollSeconds } = first.answer as { claim: string; secret: string; until: number; pollSeconds: number }
  assert.deepEqual([first.status, first.retryAfter, pollSeconds], [202, '5', 5])
  assert.ok(until > Date.now() + 14 * 60_000)
  assert.match(secret, /^mrc_/)
  const waiting = await ask('POST', '/v1/provision', { device: 'pump-7', secret })
  assert.deepEqual([waiting.status, waiting.retryAfter, waiting.answer], [202, '5', { claim, until, pollSeconds: 5 }])

  const listed = (await ask('GET', '/v1/claims')).answer['claims'] as Record<string, unknown>[]
  assert.deepEqual([listed[0]?.['claim'], listed[0]?.['device'], listed[0]?.['address']], [claim, 'pump-7', '127.0.0.1'])
  assert.equal((await ask('POST', '/v1/claims', { claim, type: 'pump', tags: { site: 'north' } })).status, 200)
  const fetched = await ask('POST', '/v1/provision', { device: 'pump-7', secret })
  const { token } = fetched.answer as { token: string }
  assert.deepEqual([fetched.status, Object.keys(fetched.answer)], [200, ['device', 'token']])
  assert.equal((await ask('POST', '/v1/devices/pump-7/telemetry', { t: 21 }, token)).status, 200)
  const device = (await ask('GET', '/v1/devices/pump-7')).answer
  assert.deepEqual([device['type'], device['tags']], ['pump', { site: 'north' }])
  const { credentials } = (await ask('GET', '/v1/devices/pump-7/credentials')).answer as { credentials: { label: string }[] }
  assert.deepEqual(
    credentials.map(({ label }) => label),
    ['claimed by anonymous'],
  )
})

test('what is asked for wrongly is refused by its code', async (t) => {
  const { ask } = await open(t)
  const { claim, secret } = (await ask('POST', '/v1/provision', { device: 'pump-7' })).answer as { claim: string; secret: string }
  const refusals: readonly [string, string, object | undefined, number, string][] = [
    ['POST', '/v1/provision', { device: 7 }, 400, 'request-invalid'],
    ['POST', '/v1/provision', { device: 'pump-7', secret: 7 }, 400, 'request-invalid'],
    ['POST', '/v1/provision', { device: 'a/b' }, 400, 'device-id-invalid'],
    ['POST', '/v1/provision', { device: 'pump-8', secret }, 410, 'claim-ended'],
    ['POST', '/v1/claims', {}, 400, 'request-invalid'],
    ['POST', '/v1/claims', { claim, role: 7 }, 400, 'request-invalid'],
    ['POST', '/v1/claims', { claim, role: 'nobody' }, 404, 'role-unknown'],
    ['POST', '/v1/claims', { claim, colour: 'red' }, 400, 'device-invalid'],
    ['POST', '/v1/claims', { claim: 'XXXX-XXXX' }, 404, 'claim-unknown'],
    ['DELETE', '/v1/claims/XXXX-XXXX', undefined, 404, 'claim-unknown'],
  ]
  for (const [method, path, body, status, code] of refusals) {
    const answer = await ask(method, path, body)
    assert.deepEqual([answer.status, answer.code], [status, code], `${method} ${path} ${JSON.stringify(body)}`)
  }
  await ask('POST', '/v1/devices/pump-7/credentials')
  assert.deepEqual([(await ask('POST', '/v1/claims', { claim })).code], ['claim-refused'])
  assert.equal((await ask('DELETE', `/v1/claims/${claim}`)).status, 200)
  const ended = await ask('POST', '/v1/provision', { device: 'pump-7', secret })
  assert.deepEqual([ended.status, ended.code], [410, 'claim-ended'])
})

test('without --allow-claims nobody is let in without a secret', async (t) => {
  const { ask } = await open(t, false)
  for (const secret of [undefined, 'mrc_x']) {
    const answer = await ask('POST', '/v1/provision', { device: 'pump-7', secret })
    assert.deepEqual([answer.status, answer.code], [403, 'claims-not-taken'])
  }
})

test('only so many wait at one address', async (t) => {
  const { ask } = await open(t)
  const statuses = await Promise.all(Array.from({ length: 101 }, (_, at) => ask('POST', '/v1/provision', { device: `pump-${at}` })))
  const full = statuses.filter(({ status }) => status === 503)
  assert.deepEqual(
    full.map(({ code, retryAfter }) => [code, retryAfter]),
    [['too-many-claims', '60']],
  )
})

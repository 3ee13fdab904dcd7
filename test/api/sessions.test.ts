// GET /v1/sessions: who is owed most comes first, page by page; and the connection of one of them is closed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstAdmin, newUser } from '../kit/browser-like.ts'
import { startHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'

interface Page {
  readonly sessions: readonly Readonly<Record<string, unknown>>[]
  readonly total: number
  readonly wires: Readonly<Record<string, number>>
  readonly next: string | null
}

test('sessions are listed with the longest queue first, a page at a time', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/devices/pump-7/telemetry', { t: 20 })
  const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } } as const
  for (const name of ['few', 'many']) {
    const away = await moor(t, hub, name, 5, lasting)
    await away.subscribe('orders/#', { qos: 1 })
    if (name === 'many') await away.subscribe('extra/#', { qos: 1 })
    await away.leave()
  }
  await moor(t, hub, 'pump-7', 5)
  const sender = await moor(t, hub, 'sender', 5)
  await sender.publish('orders/1', 'x'.repeat(100), { qos: 1 })
  await sender.publish('extra/1', 'x'.repeat(100), { qos: 1 })

  const all = (await hub.get('/v1/sessions')) as Page
  assert.deepEqual([all.sessions.map(({ id }) => id), all.total, all.next], [['many', 'few', 'pump-7', 'sender'], 4, null])
  assert.deepEqual(all.wires, { 'mqtt-tcp': 2 })
  const [many, few, pump] = all.sessions
  assert.deepEqual([many?.['queueMessages'], few?.['queueMessages'], pump?.['queueMessages']], [2, 1, 0])
  assert.ok((many?.['queueBytes'] as number) > (few?.['queueBytes'] as number) && (few?.['queueBytes'] as number) >= 100)
  assert.deepEqual([many?.['wire'], many?.['address'], many?.['since'], many?.['subscriptions']], [null, null, null, 2])
  assert.ok((many?.['until'] as number) > Date.now())
  assert.deepEqual([pump?.['device'], pump?.['wire'], pump?.['until'], pump?.['isSlow']], ['pump-7', 'mqtt-tcp', null, false])
  assert.match(pump?.['address'] as string, /^127\.0\.0\.1/)

  const seen: unknown[] = []
  let after: string | null = null
  do {
    const page = (await hub.get(`/v1/sessions?limit=1${after === null ? '' : `&after=${encodeURIComponent(after)}`}`)) as Page
    seen.push(...page.sessions.map(({ id }) => id))
    after = page.next
  } while (after !== null)
  assert.deepEqual(seen, ['many', 'few', 'pump-7', 'sender'])
  assert.equal((await fetch(`${hub.url}/v1/sessions?after=nowhere`)).status, 400)
})

test('the connection of a session is closed by an admin alone, who is named in the audit log', async (t) => {
  const hub = await startHub(t, { allowAnonymous: 'nobody' })
  const ada = await firstAdmin(hub)
  const val = await newUser(ada, 'val', 'viewer')
  const { secret } = (await ada.ask('POST', '/v1/devices/pump-7/credentials')).body as { secret: string }
  const client = await moor(t, hub, 'pump-7', 5, { username: 'pump-7', password: Buffer.from(secret) })
  const path = '/v1/sessions/pump-7/connection'
  assert.equal((await val.ask('GET', '/v1/sessions')).status, 200)
  assert.equal((await val.ask('DELETE', path)).status, 403)
  const kicked = await ada.ask('DELETE', path)
  assert.deepEqual([kicked.status, kicked.body], [200, { closed: 1 }])
  assert.equal((await client.next('disconnect')).reasonCode, 0x98)
  const { entries } = (await ada.ask('GET', '/v1/audit?action=session.kick')).body as { entries: { who: string; target: string }[] }
  assert.deepEqual(
    entries.map(({ who, target }) => [who, target]),
    [['user/ada', 'client/pump-7']],
  )
  const gone = await ada.ask('DELETE', '/v1/sessions/nobody/connection')
  assert.deepEqual([gone.status, gone.body['code']], [404, 'session-unknown'])
  assert.equal((await ada.ask('GET', '/v1/sessions?limit=0')).status, 400)
})

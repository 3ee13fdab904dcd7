// Who is there of those that a gateway speaks for: on a viewer's screen, and for who asks.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IPubackPacket } from 'mqtt-packet'
import { startHub } from '../kit/hub.ts'
import { openLive } from '../kit/live.ts'
import { moor, refusalsWith } from '../kit/mqtt.ts'
import { ask } from '../security/kit.ts'

test('a child is there while its gateway is, until the gateway says otherwise, and what it says ends with its connection', async (t) => {
  const hub = await startHub(t)
  for (const device of [{ id: 'gw' }, { id: 'p-1', gateway: 'gw' }, { id: 'p-2', gateway: 'gw' }, { id: 'p-3' }])
    await ask(hub, 'POST', '/v1/devices', device)
  const connected = async (id: string) => ((await hub.get(`/v1/devices/${id}`)) as { connected: boolean }).connected
  const viewer = await openLive(t, hub)
  const heard = new Map<string, boolean>()
  /** What is said of it next; a frame may speak of several. */
  const news = async (id: string): Promise<boolean | undefined> => {
    while (!heard.has(id)) {
      const { devices = [] } = await viewer.frames.next(({ devices }) => devices !== undefined, `news of ${id}`)
      for (const device of devices) heard.set(device.id, device.connected)
    }
    const connected = heard.get(id)
    heard.delete(id)
    return connected
  }
  assert.equal(await connected('p-1'), false)

  const gateway = await moor(t, hub, 'gw', 5)
  assert.deepEqual([await news('gw'), await news('p-1'), await news('p-2')], [true, true, true])
  const { connection } = (await hub.get('/v1/devices/p-1')) as { connection: { clientId: string; transport: string } }
  assert.deepEqual([connection.clientId, connection.transport], ['gw', 'mqtt-tcp'], 'who it is that speaks for it')
  const says = async (child: string, word: string) =>
    ((await gateway.publish(`devices/gw/children/${child}`, word, { qos: 1 })) as IPubackPacket).reasonCode ?? 0

  const [strangers, badWords] = [await refusalsWith(hub, 'not-a-child'), await refusalsWith(hub, 'child-word-invalid')]
  assert.equal(await says('p-1', 'offline'), 0)
  assert.equal(await news('p-1'), false)
  assert.deepEqual([await connected('p-1'), await connected('p-2')], [false, true])
  const own = await moor(t, hub, 'p-1', 5)
  assert.equal(await news('p-1'), true)
  assert.equal(await says('p-1', 'online'), 0)
  own.socket.destroy()
  await own.closed
  assert.equal(await connected('p-1'), true, 'its own connection is gone, and the gateway speaks for it')
  assert.deepEqual([await says('p-3', 'online'), await says('nobody', 'online'), await says('p-1', 'asleep')], [0x87, 0x87, 0x99])
  assert.deepEqual([await strangers(), await badWords()], [2, 1])

  assert.equal(await says('p-2', 'offline'), 0)
  assert.equal(await news('p-2'), false)
  await ask(hub, 'PATCH', '/v1/devices/p-3', { gateway: 'gw' })
  assert.equal(await news('p-3'), true)
  await ask(hub, 'PATCH', '/v1/devices/p-1', { gateway: null })
  assert.equal(await news('p-1'), false)
  gateway.socket.destroy()
  await gateway.closed
  assert.equal(await news('p-3'), false)
  await moor(t, hub, 'gw', 5)
  assert.equal(await news('p-2'), true, 'a gateway that comes anew says it anew')
  await ask(hub, 'DELETE', '/v1/devices/gw')
  assert.deepEqual([await news('p-2'), await connected('p-2')], [false, false])
})

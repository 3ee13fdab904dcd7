// Gateways as operators make them: what is on record, what is refused, and whom a gateway brings by itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IPubackPacket } from 'mqtt-packet'
import { newFolder, spawnHub, startHub, type TestHub } from '../kit/hub.ts'
import { ask, giveDevice, moorAs, setDisabled } from '../security/kit.ts'

interface Listed {
  readonly id: string
  readonly gateway: string | null
}

const register = (hub: TestHub, ...devices: object[]) =>
  devices.reduce<Promise<unknown>>((before, device) => before.then(() => ask(hub, 'POST', '/v1/devices', device)), Promise.resolve())
const childrenOf = async (hub: TestHub, gateway: string) =>
  ((await hub.get(`/v1/devices?gateway=${gateway}`)) as { devices: Listed[] }).devices.map(({ id }) => id)
const gatewayOf = async (hub: TestHub, id: string) => ((await hub.get(`/v1/devices/${id}`)) as Listed).gateway

async function refusal(hub: TestHub, method: string, path: string, body: object): Promise<string> {
  const response = await fetch(hub.url + path, { method, body: JSON.stringify(body) })
  const { code, detail } = (await response.json()) as { code: string; detail: string }
  return `${response.status} ${code}: ${detail}`
}

test('a device is given a gateway and loses it; the list can be narrowed to the children of one', async (t) => {
  const folder = newFolder(t)
  const hub = await startHub(t, { data: folder })
  await register(hub, { id: 'gw-1' }, { id: 'gw-2' }, { id: 'p-1', gateway: 'gw-1' }, { id: 'p-2' }, { id: 'p-3' })
  assert.equal(((await ask(hub, 'PATCH', '/v1/devices/p-2', { gateway: 'gw-1' })) as Listed).gateway, 'gw-1')
  await ask(hub, 'PATCH', '/v1/devices/p-1', { name: 'Pump 1' }) // what is not said stays
  assert.deepEqual(await childrenOf(hub, 'gw-1'), ['p-1', 'p-2'])
  await ask(hub, 'PATCH', '/v1/devices/p-2', { gateway: 'gw-2' })
  await ask(hub, 'PATCH', '/v1/devices/p-3', { gateway: 'gw-2' })
  await ask(hub, 'PATCH', '/v1/devices/p-3', { gateway: null })
  await hub.stop()
  const again = await startHub(t, { data: folder })
  assert.deepEqual([await childrenOf(again, 'gw-1'), await childrenOf(again, 'gw-2')], [['p-1'], ['p-2']])
  const { entries } = (await again.get('/v1/audit?limit=3')) as { entries: { target: string; detail: string }[] }
  assert.deepEqual(
    entries.map(({ target, detail }) => `${target} ${detail}`),
    ['device/p-3 gateway: none', 'device/p-3 gateway: gw-2', 'device/p-2 gateway: gw-2'],
  )
  assert.equal(await gatewayOf(again, 'p-3'), null)

  await ask(again, 'DELETE', '/v1/devices/gw-1')
  assert.equal(await gatewayOf(again, 'p-1'), null, 'a gateway that is deleted leaves its children without one')
  await ask(again, 'DELETE', '/v1/devices/p-2')
  assert.deepEqual(await childrenOf(again, 'gw-2'), [])
})

test('no device is its own gateway, a gateway has none itself, and it is on record', async (t) => {
  const hub = await startHub(t)
  await register(hub, { id: 'gw-1' }, { id: 'gw-2' }, { id: 'p-1', gateway: 'gw-1' })
  const patched = (id: string, gateway: unknown) => refusal(hub, 'PATCH', `/v1/devices/${id}`, { gateway })
  assert.match(await patched('gw-1', 'gw-1'), /^400 gateway-invalid: .*gw-1 cannot be its own gateway/)
  const refused = await fetch(`${hub.url}/v1/devices/gw-1`, { method: 'PATCH', body: '{"gateway":"gw-9"}' })
  assert.equal(((await refused.json()) as { code: string }).code, 'gateway-invalid')
  assert.match(await patched('p-1', 'gw-9'), /^400 gateway-invalid: .*there is no device gw-9/)
  assert.match(await patched('gw-2', 'p-1'), /^400 gateway-invalid: .*p-1 has a gateway itself, gw-1/)
  assert.match(await patched('gw-1', 'gw-2'), /^400 gateway-invalid: .*gw-1 is the gateway of others/)
  assert.match(await patched('p-1', 'a/b'), /^400 device-invalid: .*gateway is the id of a device, or null/)
  assert.match(await refusal(hub, 'POST', '/v1/devices', { id: 'p-2', gateway: 'p-1' }), /^400 gateway-invalid/)
  assert.equal((await fetch(`${hub.url}/v1/devices/p-2`)).status, 404, 'what is refused is not put on record')
  const both = await Promise.all(['gw-1', 'gw-2'].map((id) => refusal(hub, 'PATCH', `/v1/devices/${id}`, { gateway: 'gw-2' })))
  assert.match(both.join(), /gateway-invalid/)
  assert.equal(await gatewayOf(hub, 'p-1'), 'gw-1')
})

test('a gateway whose type says so brings devices that nobody has heard of, and they are its own after a crash as well', async (t) => {
  const folder = newFolder(t)
  const hub = await spawnHub(t, folder)
  await ask(hub, 'PUT', '/v1/types/gateway', { children: 'new' })
  await register(hub, { id: 'gw-1', type: 'gateway' }, { id: 'known' })
  await giveDevice(hub, 'secretive')
  await register(hub, { id: 'shut' })
  await setDisabled(hub, 'shut', true)
  const gateway = await moorAs(t, hub, await giveDevice(hub, 'gw-1'), 'gw-1')
  const codeOf = async (id: string) =>
    ((await gateway.publish(`devices/${id}/telemetry`, '{"n":1}', { qos: 1 })) as IPubackPacket).reasonCode ?? 0
  assert.deepEqual(await Promise.all([codeOf('fresh-1'), codeOf('fresh-2')]), [0, 0])
  for (const id of ['known', 'secretive', 'shut']) assert.equal(await codeOf(id), 0x87, id)
  assert.deepEqual(await childrenOf(hub, 'gw-1'), ['fresh-1', 'fresh-2'])
  await ask(hub, 'PUT', '/v1/types/gateway', { children: 'registered' })
  assert.deepEqual([await codeOf('fresh-1'), await codeOf('fresh-3')], [0, 0x87])
  await hub.kill()
  const again = await spawnHub(t, folder)
  assert.deepEqual(await childrenOf(again, 'gw-1'), ['fresh-1', 'fresh-2'])
})

// An operator's side of commands, by HTTP.
import assert from 'node:assert/strict'
import type { IPublishPacket } from 'mqtt-packet'
import type { TestHub } from '../../kit/hub.ts'
import type { TestClient } from '../../kit/mqtt.ts'

export interface Shown {
  readonly id: string
  readonly device: string
  readonly name: string
  readonly params: unknown
  readonly state: string
  readonly over: boolean
  readonly reason: string | null
  readonly bulk: string | null
  readonly attempts: { readonly made: number; readonly most: number }
  readonly result: unknown
  readonly by: string
  readonly expiresAt: number
  readonly trail: readonly { readonly state: string; readonly at: number; readonly reason?: string }[]
  readonly late: { readonly status: string } | null
}

export async function put(hub: TestHub, ...devices: string[]): Promise<void> {
  for (const id of devices) assert.equal((await hub.post('/v1/devices', { id })).status, 200)
}

export async function send(hub: TestHub, device: string, command: object): Promise<Shown> {
  const response = await hub.post(`/v1/devices/${device}/commands`, command)
  assert.equal(response.status, 201, await response.clone().text())
  const shown = (await response.json()) as Shown
  assert.equal(response.headers.get('location'), `/v1/commands/${shown.id}`)
  return shown
}

/** With `?wait=`: the status, and where it stands. */
export async function call(hub: TestHub, device: string, command: object, wait = 30): Promise<{ status: number; command: Shown }> {
  const response = await hub.post(`/v1/devices/${device}/commands?wait=${wait}`, command)
  return { status: response.status, command: (await response.json()) as Shown }
}

export async function look(hub: TestHub, { id }: Pick<Shown, 'id'>): Promise<Shown> {
  return (await hub.get(`/v1/commands/${id}`)) as Shown
}

/** Comes back once it is in this state on disk. */
export async function reaches(hub: TestHub, command: Pick<Shown, 'id'>, state: string): Promise<Shown> {
  const deadline = performance.now() + 5000
  for (;;) {
    const shown = await look(hub, command)
    if (shown.state === state) return shown
    assert.ok(performance.now() < deadline, `it is ${shown.state} instead of ${state}`)
  }
}

export async function cancel(hub: TestHub, { id }: Pick<Shown, 'id'>): Promise<Response> {
  return fetch(`${hub.url}/v1/commands/${id}`, { method: 'DELETE' })
}

export const states = ({ trail }: Shown) => trail.map(({ state }) => state)

export async function reply(device: TestClient, { topic }: Pick<IPublishPacket, 'topic'>, said: object): Promise<void> {
  await device.publish(topic.replace('/commands/', '/replies/'), JSON.stringify(said), { qos: 1 })
}

export const idIn = ({ topic }: Pick<IPublishPacket, 'topic'>) => topic.split('/').at(-1) as string

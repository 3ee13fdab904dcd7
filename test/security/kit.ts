// What the tests of security have in common: credentials and roles made as an operator makes them, and presented as clients present them.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { IConnectPacket } from 'mqtt-packet'
import type { Rule } from '../../devices/identity.ts'
import type { TestHub } from '../kit/hub.ts'
import { moor, type Version, type WireName } from '../kit/mqtt.ts'

export interface Made {
  readonly id: string
  readonly secret: string
}

export const allow = (actions: Rule['actions'], filter: string): Rule => ({ effect: 'allow', actions, filter })
export const deny = (actions: Rule['actions'], filter: string): Rule => ({ effect: 'deny', actions, filter })

/** Anonymous on loopback may do everything: it stands for the operator. */
export async function ask(hub: TestHub, method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(hub.url + path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const text = await response.text()
  assert.equal(response.status, 200, `${method} ${path}: ${text}`)
  return JSON.parse(text)
}

export async function giveDevice(hub: TestHub, device: string, wanted: object = {}): Promise<Made> {
  return (await ask(hub, 'POST', `/v1/devices/${device}/credentials`, wanted)) as Made
}

export async function giveKey(hub: TestHub, name: string, wanted: object = {}): Promise<Made> {
  return (await ask(hub, 'POST', `/v1/keys/${name}`, wanted)) as Made
}

export async function putRole(hub: TestHub, name: string, ...rules: Rule[]): Promise<void> {
  await ask(hub, 'PUT', `/v1/roles/${name}`, rules)
}

/** A key with a role of its own that has these rules. */
export async function keyWith(hub: TestHub, name: string, ...rules: Rule[]): Promise<Made> {
  await putRole(hub, name, ...rules)
  return giveKey(hub, name, { role: name })
}

export async function revoke(hub: TestHub, { id }: Made): Promise<void> {
  await ask(hub, 'DELETE', `/v1/credentials/${id}`)
}

export async function setDisabled(hub: TestHub, device: string, isDisabled: boolean): Promise<void> {
  await ask(hub, 'PUT', `/v1/devices/${device}/disabled`, isDisabled)
}

export const bearer = ({ secret }: Made) => ({ authorization: `Bearer ${secret}` })

/** As CONNECT says it. */
export const asPassword = ({ secret }: Made): Partial<IConnectPacket> => ({ username: 'anybody', password: Buffer.from(secret) })

/** A client that is let in. */
export async function moorAs(
  t: TestContext,
  hub: TestHub,
  made: Made,
  clientId: string,
  version: Version = 5,
  options: Partial<IConnectPacket> = {},
  wire: WireName = 'TCP',
) {
  const client = await moor(t, hub, clientId, version, { ...asPassword(made), ...options }, wire)
  assert.equal(client.connack.reasonCode ?? client.connack.returnCode, 0, `${clientId} is not let in`)
  return client
}

/** The status and the code of what the hub answers. */
export async function answerTo(
  hub: TestHub,
  method: string,
  path: string,
  made: Made,
  body?: string,
): Promise<[number, string | undefined]> {
  const response = await fetch(hub.url + path, { method, headers: bearer(made), ...(body === undefined ? {} : { body }) })
  const text = await response.text()
  const { code } = (text.startsWith('{') ? JSON.parse(text.split('\n')[0] as string) : {}) as { code?: string }
  return [response.status, code]
}

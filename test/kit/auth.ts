// The packets of enhanced authentication (MQTT 5 sections 3.15 and 4.12), as a test client says and hears them.
import assert from 'node:assert/strict'
import type { IAuthPacket, IConnectPacket } from 'mqtt-packet'
import type { TestClient } from './mqtt.ts'
import type { ScramClient } from './scram.ts'

export const method = 'SCRAM-SHA-256'

/** A CONNECT that names the method, with this data. */
export function knock(
  client: TestClient,
  clientId: string,
  data: string | Buffer | undefined,
  options: Partial<IConnectPacket> = {},
): void {
  const authentication = { authenticationMethod: method, ...(data === undefined ? {} : { authenticationData: Buffer.from(data) }) }
  client.sendConnect(clientId, { ...options, properties: { ...options.properties, ...authentication } })
}

export function auth(client: TestClient, reasonCode: number, data: string | Buffer | undefined, authenticationMethod = method): void {
  const properties = { authenticationMethod, ...(data === undefined ? {} : { authenticationData: Buffer.from(data) }) }
  client.sendPacket({ cmd: 'auth', reasonCode, properties } as IAuthPacket)
}

/** The hub's next AUTH, which must have this code and repeat the method.  [MQTT-4.12.0-5] */
export async function authData(client: TestClient, reasonCode: number): Promise<string> {
  const packet = await client.next('auth')
  assert.deepEqual([packet.reasonCode, packet.properties?.authenticationMethod], [reasonCode, method])
  return packet.properties?.authenticationData?.toString() ?? ''
}

/** The whole exchange; what the hub says at its end. */
export async function prove(client: TestClient, clientId: string, scram: ScramClient, options: Partial<IConnectPacket> = {}) {
  knock(client, clientId, scram.first, options)
  auth(client, 0x18, scram.final(await authData(client, 0x18)))
  return client.next('connack')
}

/** A re-authentication of a connected client, up to the hub's answer. */
export async function proveAgain(client: TestClient, scram: ScramClient): Promise<void> {
  auth(client, 0x19, scram.first)
  auth(client, 0x18, scram.final(await authData(client, 0x18)))
}

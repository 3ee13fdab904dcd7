// First contact over MQTT: a device that comes with a provisioning key for its password, and with its id for its client identifier. It has no
// session and is nobody: it subscribes to `devices/{id}/credential`, is told its own token there, and is sent away to come again by that.
//
// Nothing of it goes through the router, so the token is neither journalled nor retained, and nobody else can have subscribed to it. All of
// it has to be done within the time to CONNECT.
import { credentialTopic } from '../../devices/topics.ts'
import type { Created } from '../access/credentials.ts'
import { tokenAnswer } from '../access/provisioning.ts'
import { isToken, tokenLength } from '../access/token.ts'
import { Refusal } from '../errors.ts'
import {
  type ConnectPacket,
  encodeConnack,
  encodePublish,
  encodeSuback,
  type PacketHandler,
  type SubscribePacket,
  withPacketId,
} from './codec.ts'
import type { MqttConnection } from './connection.ts'
import { protocolError } from './integers.ts'
import { type DisconnectPacket, packetType } from './packets.ts'

/** Room for the topic with the longest device id, and the answer; no client that has less is known. */
const packetBytesNeeded = 512
/** Of the one message that is said. */
const packetId = 1

/** The key of a client that comes by one. Of all others the length of their password is looked at, and nothing else. */
export function keyIn({ password }: ConnectPacket): string | undefined {
  if (password?.length !== tokenLength) return undefined
  const text = password.toString('latin1')
  return isToken(text, 'mrp_') ? text : undefined
}

/** Lets it in, when the key is right and the device may come. Errors: `Refusal`. */
export function meet(connection: MqttConnection, { version, clientId, will, sessionExpirySeconds }: ConnectPacket, key: string): void {
  const { engine, peer, packetBytesMax } = connection
  engine.newcomers.assertMayCome(key, clientId, peer.address)
  if (will !== undefined) throw new Refusal('provisioning-refused', { detail: 'its first connection has no will' })
  if (packetBytesMax < packetBytesNeeded) throw protocolError(`a Maximum Packet Size of ${packetBytesMax} has no room for a token`)
  connection.met(new Newcomer(connection, clientId, key))
  const expiry = sessionExpirySeconds === undefined || sessionExpirySeconds === 0 ? undefined : 0 //  5: section 3.2.2.3.2
  connection.say(encodeConnack(version, { reasonCode: 0, sessionPresent: false, sessionExpirySeconds: expiry }))
}

class Newcomer implements PacketHandler {
  readonly #connection: MqttConnection
  readonly #device: string
  readonly #key: string
  readonly #topic: string
  #isTold = false

  constructor(connection: MqttConnection, device: string, key: string) {
    this.#connection = connection
    this.#device = device
    this.#key = key
    this.#topic = credentialTopic(device)
  }

  onSubscribe(packet: SubscribePacket): void {
    this.#heard(packetType.subscribe)
    const own = packet.subscriptions.find(({ filter }) => filter === this.#topic)
    if (own === undefined || packet.subscriptions.length !== 1 || this.#isTold) throw this.#refused()
    const { engine, peer } = this.#connection
    const qos = own.qos === 0 ? 0 : 1
    this.#isTold = true
    this.#connection.identifying(engine.newcomers.claim(this.#key, this.#device, peer.address), (created) => {
      this.#tell(packet, qos, created)
    })
  }

  /** The token is on disk. */
  #tell({ packetId: asked, subscriptionIdentifier }: SubscribePacket, qos: 0 | 1, created: Created): void {
    const connection = this.#connection
    const { version } = connection
    connection.say(encodeSuback(version, asked, [qos]))
    const message = encodePublish({
      version,
      topic: Buffer.from(this.#topic),
      payload: Buffer.from(JSON.stringify(tokenAnswer(this.#device, created))),
      qos,
      retain: false,
      dup: false,
      properties: undefined,
      subscriptionIdentifiers: subscriptionIdentifier === undefined ? undefined : [subscriptionIdentifier], //  5: [MQTT-3.3.4-3]
    })
    connection.say(qos === 0 ? message.bytes : withPacketId(message, packetId, false))
    if (qos === 0) this.#sendAway()
  }

  onPuback(acknowledged: number): void {
    this.#heard(packetType.puback)
    if (this.#isTold && acknowledged === packetId) this.#sendAway()
  }

  onPingreq(): void {
    this.#connection.onPingreq()
  }

  onDisconnect(packet: DisconnectPacket): void {
    this.#connection.onDisconnect(packet)
  }

  onConnect(): void {
    throw this.#refused()
  }

  onPublish(): void {
    throw this.#refused()
  }

  onPubrec(): void {
    throw this.#refused()
  }

  onPubrel(): void {
    throw this.#refused()
  }

  onPubcomp(): void {
    throw this.#refused()
  }

  onUnsubscribe(): void {
    throw this.#refused()
  }

  onAuth(): void {
    throw this.#refused()
  }

  #sendAway(): void {
    this.#connection.close(new Refusal('provisioned'))
  }

  #heard(type: number): void {
    this.#connection.engine.metrics.packetsReceived[type]!++
  }

  #refused(): Refusal {
    return new Refusal('provisioning-refused', { detail: `it subscribes to ${this.#topic}, and does nothing else before it has a token` })
  }
}

// What the codec tests share: hex in, a transcript of what the handler was told out.

import { Refusal } from '../../../hub/errors.ts'
import { type PacketHandler, PacketReader, type ProtocolVersion, type PublishView } from '../../../hub/mqtt/codec.ts'

export type Event = readonly [name: string, ...fields: unknown[]]

/** Bytes from hex: blanks where they help, text between quotes, and properties in braces, which get one byte of length in front. */
export function bytes(source: string): Buffer {
  const hex = source
    .replace(/'([^']*)'/g, (_, text: string) => Buffer.from(text).toString('hex'))
    .replaceAll(/\s/g, '')
    .replace(/\{([^}]*)\}/g, (_, block: string) => Buffer.from([block.length / 2]).toString('hex') + block)
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw new Error(`not hex: ${source}`)
  return Buffer.from(hex, 'hex')
}

/** A packet of this first byte around a body, its remaining length written out. */
export function packet(first: number, body: string | Buffer): Buffer {
  const content = typeof body === 'string' ? bytes(body) : body
  const length: number[] = []
  let rest = content.length
  do {
    length.push((rest & 0x7f) | (rest >= 0x80 ? 0x80 : 0))
    rest >>>= 7
  } while (rest > 0)
  return Buffer.concat([Buffer.from([first, ...length]), content])
}

/** The smallest CONNECT of a version. */
export const connects: Readonly<Record<ProtocolVersion, Buffer>> = {
  3: packet(0x10, "0006 'MQIsdp' 03 02 003c 0001 'c'"),
  4: packet(0x10, "0004 'MQTT' 04 02 003c 0001 'c'"),
  5: packet(0x10, "0004 'MQTT' 05 02 003c 00 0001 'c'"),
}

/** Writes down what it is told; a PUBLISH as plain values, since the view holds only during the call. */
export class Recorder implements PacketHandler {
  readonly events: Event[] = []

  onConnect(connect: unknown): void {
    this.events.push(['connect', connect])
  }
  onPublish(publish: PublishView): void {
    const { buffer, topicStart, topicEnd, payloadStart, payloadEnd, properties, ...rest } = publish
    const topic = buffer.toString('utf8', topicStart, topicEnd)
    const payload = buffer.toString('hex', payloadStart, payloadEnd)
    this.events.push(['publish', { ...rest, topic, payload, properties: properties?.toString('hex') }])
  }
  onPuback(packetId: number, reasonCode: number): void {
    this.events.push(['puback', packetId, reasonCode])
  }
  onPubrec(packetId: number, reasonCode: number): void {
    this.events.push(['pubrec', packetId, reasonCode])
  }
  onPubrel(packetId: number, reasonCode: number): void {
    this.events.push(['pubrel', packetId, reasonCode])
  }
  onPubcomp(packetId: number, reasonCode: number): void {
    this.events.push(['pubcomp', packetId, reasonCode])
  }
  onSubscribe(subscribe: unknown): void {
    this.events.push(['subscribe', subscribe])
  }
  onUnsubscribe(unsubscribe: unknown): void {
    this.events.push(['unsubscribe', unsubscribe])
  }
  onPingreq(): void {
    this.events.push(['pingreq'])
  }
  onDisconnect(disconnect: unknown): void {
    this.events.push(['disconnect', disconnect])
  }
  onAuth(auth: unknown): void {
    this.events.push(['auth', auth])
  }
}

/** A reader behind a CONNECT of this version (0: before any) and its recorder, whose transcript begins after it. */
export function connectedReader(version: ProtocolVersion | 0): { reader: PacketReader; recorder: Recorder } {
  const recorder = new Recorder()
  const reader = new PacketReader(recorder)
  if (version !== 0) {
    reader.read(connects[version])
    recorder.events.length = 0
  }
  return { reader, recorder }
}

/** The transcript of these chunks. Each chunk is wiped after it was read, so that whatever was kept as a view shows. */
export function transcript(version: ProtocolVersion | 0, chunks: readonly Buffer[]): Event[] {
  const { reader, recorder } = connectedReader(version)
  for (const chunk of chunks) {
    const copy = Buffer.from(chunk)
    reader.read(copy)
    copy.fill(0xff)
  }
  return recorder.events
}

/** The code of the refusal these chunks lead to; `accepted` when there is none. Anything else that is thrown goes through. */
export function outcome(version: ProtocolVersion | 0, ...chunks: Buffer[]): string {
  try {
    transcript(version, chunks)
    return 'accepted'
  } catch (error) {
    if (error instanceof Refusal) return error.code
    throw error
  }
}

// mqtt-packet as the second opinion on what our codec reads and writes.
import { generate, type Packet, parser } from 'mqtt-packet'
import type { ProtocolVersion } from '../../../hub/mqtt/codec.ts'

/** The one packet in these bytes, as mqtt-packet reads it; undefined when it will not. A new parser for each, so no state is carried on. */
export function parsed(version: ProtocolVersion, bytes: Buffer): Packet | undefined {
  let packet: Packet | undefined
  const reading = parser({ protocolVersion: version })
  reading.on('packet', (read) => {
    packet = read
  })
  reading.on('error', () => {
    packet = undefined
  })
  return reading.parse(bytes) === 0 ? packet : undefined
}

export function generated(version: ProtocolVersion, packet: Packet): Buffer {
  return generate(packet, { protocolVersion: version })
}

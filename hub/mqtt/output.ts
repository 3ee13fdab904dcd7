// The bytes one connection has to say in this turn, joined into one write.
import { type AckType, ackBytesMax, type ProtocolVersion, writeAck } from './codec.ts'
import type { Wire } from './wire.ts'

/** Up to here joining by copying costs less than a second write or a vector of buffers. */
const joinBytesMax = 64 * 1024
const firstAckBytes = 80

export class Output {
  /** Whole packets, shared with other connections: never written to. */
  #packets: Buffer[] = []
  #packetBytes = 0
  /** Acknowledgements of this turn, encoded one behind the other. */
  #acks: Buffer | undefined = undefined
  #ackBytes = 0

  get isEmpty(): boolean {
    return this.#packetBytes === 0 && this.#ackBytes === 0
  }

  get bytes(): number {
    return this.#packetBytes + this.#ackBytes
  }

  add(packet: Buffer): void {
    this.#packets.push(packet)
    this.#packetBytes += packet.length
  }

  addAck(type: AckType, packetId: number, reasonCode: number, version: ProtocolVersion): void {
    let acks = this.#acks
    if (acks === undefined || this.#ackBytes + ackBytesMax > acks.length) {
      const larger = Buffer.allocUnsafe(acks === undefined ? firstAckBytes : acks.length * 2)
      acks?.copy(larger, 0, 0, this.#ackBytes)
      acks = larger
      this.#acks = larger
    }
    this.#ackBytes = writeAck(acks, this.#ackBytes, type, packetId, reasonCode, version)
  }

  /** Bytes written. The answers go first: they were earned by what came before, and a full wire must not hold them back. */
  writeTo(wire: Wire): number {
    const packets = this.#packets
    const bytes = this.#packetBytes + this.#ackBytes
    if (this.#acks !== undefined) {
      packets.unshift(this.#acks.subarray(0, this.#ackBytes))
      this.#acks = undefined // the socket may hold the memory until it is written
      this.#ackBytes = 0
    }
    if (packets.length > 0) {
      this.#packets = []
      this.#packetBytes = 0
      if (packets.length === 1) wire.write(packets[0] as Buffer)
      else if (bytes <= joinBytesMax) wire.write(Buffer.concat(packets, bytes))
      else for (const packet of packets) wire.write(packet)
    }
    return bytes
  }
}

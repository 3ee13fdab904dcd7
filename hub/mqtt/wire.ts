// What carries the bytes of one MQTT connection: a TCP socket or a WebSocket.
import type { Transport } from '../session/connection.ts'

export interface Wire {
  readonly transport: Transport
  /** Address and port of the peer, as shown to people. */
  readonly address: string
  /** Bytes handed over that the peer has not taken. */
  readonly waitingBytes: number
  write(bytes: Buffer): void
  /** Stops reading, so that the peer's own sends come to wait. */
  pause(): void
  resume(): void
  /** Closes once everything written has gone out. */
  end(): void
  /** Closes now. */
  destroy(): void
}

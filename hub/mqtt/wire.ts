// What carries the bytes of one MQTT connection: a TCP socket or a WebSocket.
import type { PeerCertificate } from '../access/certificate.ts'
import type { Transport } from '../session/connection.ts'

export interface Wire {
  readonly transport: Transport
  /** Address and port of the peer, as shown to people. */
  readonly address: string
  /** Of the peer, after TLS has verified it. */
  readonly certificate: PeerCertificate | undefined
  /** Of the request that opened it, the host it was sent to. */
  readonly host: string | undefined
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

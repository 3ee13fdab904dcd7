// What carries the frames of one client both ways: a WebSocket.
import type { Transport } from '../session/connection.ts'

export interface JsonWire {
  readonly transport: Transport
  /** Address and port of the peer, as shown to people. */
  readonly address: string
  /** Bytes handed over that the peer has not taken. */
  readonly waitingBytes: number
  write(frame: string): void
  /** What is written from here on goes out together, when `uncork` says so. */
  cork(): void
  uncork(): void
  /** Asks whether the peer is still there; its answer counts as heard. */
  ping(): void
  /** Stops reading, so that the peer's own sends come to wait. */
  pause(): void
  resume(): void
  /** Closes once everything written has gone out. */
  close(code: number, reason: string): void
  /** Closes now. */
  destroy(): void
}

// What an MQTT client knows about the bytes below it, and the one place that turns a URL into them.
import { openTcp } from './tcp.ts'
import { openWebSocket } from './websocket.ts'

/** An ordered stream of bytes with two ends. `listen` is called once, right after opening; nothing is lost in between. */
export interface Wire {
  listen(listener: WireListener): void
  write(bytes: Uint8Array): void
  /** Sends what is written, then closes politely. */
  end(): void
  /** The cable is pulled: nothing more is sent and nobody is told. */
  destroy(): void
}

export interface WireListener {
  onBytes(bytes: Uint8Array): void
  /** Once, whoever closed it. `undefined`: the peer ended the stream. */
  onClosed(error: Error | undefined): void
}

export interface DialOptions {
  /** How long opening may take. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

/** `mqtt://host:1883` or `ws://host:8080/mqtt`. Rejects when nobody answers within `timeoutMs` (10 s). */
export function dial(url: URL, { timeoutMs = 10_000, signal }: DialOptions = {}): Promise<Wire> {
  const deadline = AbortSignal.timeout(timeoutMs)
  const either = signal ? AbortSignal.any([signal, deadline]) : deadline
  switch (url.protocol) {
    case 'mqtt:':
      return openTcp(url.hostname, Number(url.port || 1883), either)
    case 'ws:':
      return openWebSocket(url, either)
    default:
      throw new Error(`A device cannot dial ${url.href}; it knows mqtt: and ws:.`)
  }
}

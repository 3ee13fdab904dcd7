// GET /v1/events: the feed as server-sent events (WHATWG HTML, section 9.2), for programs and `curl -N`.
import type { FastifyInstance } from 'fastify'
import { isDeviceId } from '../../devices/device.ts'
import { Refusal, refusalBy } from '../errors.ts'
import { limits } from '../limits.ts'
import { array, either, object, optional, string } from '../schema.ts'
import type { Principal } from '../session/principal.ts'
import type { Feed, Frame, Viewer } from './feed.ts'

/** A comment line this often keeps proxies and half-open detection content. */
const heartbeatMs = 15_000
/** When a browser comes again after a refusal that time does not heal: it cannot be told to stay away. */
const retryRefusedMs = 60_000

interface OpenStream {
  readonly principal: Principal
  /** What it shows may be read. Errors: `not-allowed`. */
  assertReads(): void
  /** Nothing comes behind it. */
  end(lastEvent: string): void
  destroy(): void
}

/** That somebody may read this device, or every one: `+`. Errors: `not-allowed`. */
type AssertReads = (principal: Principal, device: string) => void

/** The streams that are open, for the hub's stop. */
export class EventStreams {
  readonly #open = new Set<OpenStream>()

  get size(): number {
    return this.#open.size
  }

  add(stream: OpenStream): void {
    this.#open.add(stream)
  }

  delete(stream: OpenStream): void {
    this.#open.delete(stream)
  }

  /** The last event says why, and after how long to come again. */
  closeAll(why: Refusal, retryMs: () => number): void {
    for (const stream of this.#open) stream.end(lastEvent(why, retryMs()))
  }

  /** Ends those for whom it gives a refusal. */
  reviseAll(revise: (principal: Principal) => Refusal | undefined): void {
    for (const stream of this.#open) {
      const why = revise(stream.principal) ?? refusalBy(() => stream.assertReads())
      if (why !== undefined) stream.end(lastEvent(why, retryRefusedMs))
    }
  }

  destroyAll(): void {
    for (const stream of this.#open) stream.destroy()
  }
}

function lastEvent({ code, message, row: { retry } }: Refusal, retryMs: number): string {
  return `retry: ${retryMs}\nevent: error\ndata: ${JSON.stringify({ code, detail: message, retry })}\n\n`
}

export function eventRoutes(app: FastifyInstance, feed: Feed, streams: EventStreams, assertReads: AssertReads): void {
  app.get(
    '/v1/events',
    {
      exposeHeadRoute: false, // it would open a stream that nobody reads
      schema: {
        summary: 'Watch changes as they happen',
        description: [
          'A stream of server-sent events. `changes` holds the newest values in columns (devices, metrics, times in Unix ms, values), at most',
          'ten times a second; `devices` holds devices that were created, connected or disconnected, of those that are watched; `commands` the newest steps of',
          'what was asked of these; `resync` says that the reader fell behind and should fetch what it shows again.',
        ].join(' '),
        querystring: object({
          device: optional(either([string(), array(string())], { description: 'Only these devices; may repeat.' })),
        }),
        produces: ['text/event-stream'],
      },
    },
    (request, reply) => {
      const { device } = request.query as { device?: string | string[] }
      const watched = device === undefined ? 'all' : watchedOf(Array.isArray(device) ? device : [device])
      const { raw } = reply
      let owesResync = false
      const viewer: Viewer = {
        get writable() {
          return raw.writableLength < limits.viewerWriteBytes
        },
        send(frame) {
          if (owesResync) raw.write('event: resync\ndata: {}\n\n')
          owesResync = false
          const text = eventsOf(frame, watched)
          if (text !== '') raw.write(text)
        },
        resync() {
          owesResync = true
        },
      }
      const view = feed.open(viewer)
      reply.hijack()
      raw.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      })
      raw.write('retry: 2000\n\n')
      feed.watch(view, watched)
      const heartbeat = setInterval(() => {
        if (viewer.writable) raw.write(':\n\n')
      }, heartbeatMs)
      const leave = () => {
        clearInterval(heartbeat)
        feed.close(view)
      }
      const stream: OpenStream = {
        principal: request.principal,
        assertReads() {
          for (const id of watched === 'all' ? ['+'] : watched) assertReads(request.principal, id)
        },
        end(lastEvent) {
          if (raw.writableEnded) return // two reasons may come at once
          leave()
          raw.end(lastEvent)
        },
        destroy: () => raw.destroy(),
      }
      streams.add(stream)
      raw.on('close', () => {
        leave()
        streams.delete(stream)
      })
    },
  )
}

function watchedOf(devices: readonly string[]): ReadonlySet<string> {
  for (const id of devices) if (!isDeviceId(id)) throw new Refusal('device-id-invalid', { id })
  if (devices.length > limits.watchedDevices) {
    throw new Refusal('request-invalid', { detail: `one stream names at most ${limits.watchedDevices} devices (limits.watchedDevices)` })
  }
  return new Set(devices)
}

/** Who watches some devices hears of these alone: others may not be his to see. */
function eventsOf({ changes, devices = [], commands }: Frame, watched: ReadonlySet<string> | 'all'): string {
  let text = ''
  const seen = watched === 'all' ? devices : devices.filter(({ id }) => watched.has(id))
  if (seen.length > 0) text += `event: devices\ndata: ${JSON.stringify(seen)}\n\n`
  if (commands !== undefined) text += `event: commands\ndata: ${JSON.stringify(commands)}\n\n`
  if (changes !== undefined) text += `event: changes\ndata: ${JSON.stringify(changes)}\n\n`
  return text
}

// Tells a URL when a metric of a device rises above a limit, and when it has come down again:
//
//   WEBHOOK_URL=http://127.0.0.1:9000/alarm npm start -- --extensions hub/extend/examples/threshold-webhook.ts
//
// A POST of {"device","metric","value","at","state":"high"|"normal"}, one at a time of each device. Between `below` and `above` nothing changes, so that a
// value that trembles around the limit does not ring again and again. What could not be told is tried again with the next reading.
import { setTimeout as delay } from 'node:timers/promises'
import { type Extension, extension, type Point } from 'mooring'

export interface Threshold {
  readonly url: string
  readonly metric: string
  readonly above: number
  readonly below: number
  /** For one try. */
  readonly withinMs?: number
  /** Between two tries, each time twice as long. */
  readonly retryMs?: number
}

const triesMax = 3

export function thresholdWebhook({ url, metric, above, below, withinMs = 5_000, retryMs = 1_000 }: Threshold): Extension {
  return extension('threshold-webhook', (hub) => {
    const high = new Set<string>()

    hub.on('telemetry', { only: metric }, async ({ device, points }, signal) => {
      for (const { at, value } of points) {
        if (typeof value !== 'number') continue
        const isHigh = high.has(device) ? value > below : value > above
        if (isHigh === high.has(device)) continue
        await tell({ device, metric, value, at, state: isHigh ? 'high' : 'normal' }, signal)
        if (isHigh) high.add(device)
        else high.delete(device)
      }
    })
  })

  async function tell(alarm: { readonly device: string; readonly state: string } & Point, signal: AbortSignal): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        const within = AbortSignal.any([signal, AbortSignal.timeout(withinMs)])
        const headers = { 'content-type': 'application/json' }
        const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(alarm), signal: within })
        await response.body?.cancel()
        if (response.ok) return
        throw new Error(`${url} answers ${response.status}`)
      } catch (error) {
        if (signal.aborted || tries === triesMax) throw error
        await delay(retryMs * 2 ** (tries - 1), undefined, { signal })
      }
    }
  }
}

export default thresholdWebhook({
  url: process.env['WEBHOOK_URL'] ?? 'http://127.0.0.1:9000/alarm',
  metric: 'temperature',
  above: 80,
  below: 75,
})

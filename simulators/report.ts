// What became of every reading of a fleet, and how long its acknowledgement took.
import { Histogram } from './histogram.ts'

export class Report {
  /** Readings taken. Each ends as exactly one of: acknowledged, refused, lost. */
  sent = 0
  /** The hub said it has it: PUBACK, or HTTP 2xx. */
  acknowledged = 0
  /** The hub said it will not take it. */
  refused = 0
  /** Never answered: still unanswered at the end, or pushed out of a device's full buffer. */
  lost = 0
  /** Handed over once more after a broken connection; each may reach the hub twice, as QoS 1 allows. */
  resent = 0
  /** Connections opened after a device's first one. */
  reconnects = 0
  /** Devices connected right now. */
  online = 0
  /** From handing a reading to the wire for the first time to its acknowledgement: an outage counts in full. */
  readonly latency = new Histogram()
  /** Why connections ended or could not be opened, with how often. The first few reasons are enough to go on. */
  readonly troubles = new Map<string, number>()

  acknowledge(milliseconds: number): void {
    this.acknowledged++
    this.latency.record(milliseconds * 1000)
  }

  trouble(sentence: string): void {
    // A hub that puts a number into its sentences must not fill the memory of a long run.
    if (this.troubles.has(sentence) || this.troubles.size < 20) this.troubles.set(sentence, (this.troubles.get(sentence) ?? 0) + 1)
  }

  /** One line for people who watch. */
  progressLine(devices: number, seconds: number): string {
    const { online, sent, acknowledged, reconnects } = this
    const trouble = this.refused + this.lost > 0 ? `  refused ${grouped(this.refused)}  lost ${grouped(this.lost)}` : ''
    const rate = seconds > 0 ? Math.round(acknowledged / seconds) : 0
    const p99 = this.latency.percentileMs(0.99)
    return (
      `${clockOf(seconds)}  ${grouped(online)}/${grouped(devices)} online  sent ${grouped(sent)}  acknowledged ${grouped(acknowledged)}` +
      ` (${grouped(rate)}/s)${trouble}  reconnects ${grouped(reconnects)}  p99 ${milliseconds(p99)}`
    )
  }

  /** The whole report, for the end. */
  toString(): string {
    const { latency } = this
    const counts = (['sent', 'acknowledged', 'refused', 'lost', 'resent', 'reconnects'] as const).map(
      (name) => [name, grouped(this[name])] as const,
    )
    const times = [
      ['p50', latency.percentileMs(0.5)],
      ['p95', latency.percentileMs(0.95)],
      ['p99', latency.percentileMs(0.99)],
      ['max', latency.maxMs],
    ] as const
    const rows = [...counts, ...times.map(([name, ms]) => [name, milliseconds(ms)] as const)]
    const width = Math.max(...rows.map(([, value]) => value.length))
    const lines = rows.map(([name, value]) => `  ${name.padEnd(12)} ${value.padStart(width)}`)
    const troubles = [...this.troubles].sort(([, a], [, b]) => b - a).map(([sentence, count]) => `  ${grouped(count)} × ${sentence}`)
    return [...lines, ...(troubles.length > 0 ? ['', ...troubles] : [])].join('\n')
  }
}

export function grouped(count: number): string {
  return count.toLocaleString('en-US')
}

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`
}

/** `3:07`; an hour is 60 of these minutes. */
export function clockOf(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`
}

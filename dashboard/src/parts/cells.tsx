// The small live pieces of rows and headers. Each is rendered once; afterwards its signals write into text nodes.
import { type ReadonlySignal, useComputed, useSignalEffect } from '@preact/signals'
import { useRef } from 'preact/hooks'
import type { Latest, MetricValue } from '../../../devices/device.ts'
import type { Entry } from '../fleet.ts'
import { ago, exactTime, valueText } from '../format.ts'
import { now } from '../state.ts'
import { words } from '../words.ts'

const brightenMs = 600
const sweepEveryMs = 100
const calm = matchMedia('(prefers-reduced-motion: reduce)')

/** Without a connection of its own a device that was heard this lately is reporting: it sends readings one by one over HTTP. */
const reportingMs = 60_000

/** Shape, word and colour: never one of them alone. */
export function State({ entry }: { entry: Pick<Entry, 'connected' | 'lastSeenAt'> }) {
  const state = useComputed(() => {
    if (entry.connected.value) return 'connected'
    return now.value - (entry.lastSeenAt.value ?? 0) < reportingMs ? 'reporting' : 'offline'
  })
  const look = useComputed(() => ({ connected: 'state ok', reporting: 'state ok ring', offline: 'state off ring' })[state.value])
  const word = useComputed(() => words.state[state.value])
  return (
    <span class={look}>
      <i class="shape" />
      <span>{word}</span>
    </span>
  )
}

export function Value({ latest }: { latest: ReadonlySignal<Latest> }) {
  const element = useRef<HTMLSpanElement>(null)
  const text = useComputed(() => valueText(latest.value.value))
  useBrighten(element, text)
  return (
    // What kind it is when it first appears: a signal here would write over the class that brightens.
    <span class={`value ${kindOf(latest.peek().value)}`} ref={element}>
      {text}
    </span>
  )
}

export function Ago({ at }: { at: ReadonlySignal<number | null> }) {
  const text = useComputed(() => ago(at.value, now.value))
  const title = useComputed(() => (at.value === null ? '' : exactTime(at.value)))
  const iso = useComputed(() => (at.value === null ? undefined : new Date(at.value).toISOString()))
  return (
    <time dateTime={iso} title={title}>
      {text}
    </time>
  )
}

/** The element brightens when its text changes, but not when it first appears. */
function useBrighten(element: { readonly current: HTMLElement | null }, text: ReadonlySignal<string>): void {
  const before = useRef<string | null>(null)
  useSignalEffect(() => {
    const changed = before.current !== null && before.current !== text.value
    before.current = text.value
    if (changed && !calm.matches && element.current !== null) brighten(element.current)
  })
}

// A class that one timer takes away again, and not an animation: eighty animated cells were painted sixty times a second,
// which cost 160 ms of each second where this costs 10.
const bright = new Map<HTMLElement, number>()
let sweepTimer = 0

function brighten(element: HTMLElement): void {
  if (!bright.has(element)) element.classList.add('bright')
  bright.set(element, performance.now() + brightenMs)
  if (sweepTimer === 0) sweepTimer = window.setInterval(sweep, sweepEveryMs)
}

function sweep(): void {
  const nowMs = performance.now()
  for (const [element, untilMs] of bright) {
    if (untilMs > nowMs) continue
    element.classList.remove('bright')
    bright.delete(element)
  }
  if (bright.size === 0) {
    clearInterval(sweepTimer)
    sweepTimer = 0
  }
}

function kindOf(value: MetricValue): 'number' | 'text' {
  return typeof value === 'number' || typeof value === 'boolean' ? 'number' : 'text'
}

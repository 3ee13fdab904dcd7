// The small live pieces of rows and headers. Each is rendered once; afterwards its signals write into text nodes.
import { type ReadonlySignal, useComputed, useSignalEffect } from '@preact/signals'
import { useRef } from 'preact/hooks'
import type { Latest, MetricValue } from '../../../devices/device.ts'
import type { Presence } from '../../../devices/presence.ts'
import type { Entry } from '../fleet.ts'
import { ago, duration, exactTime, valueText } from '../format.ts'
import { now } from '../state.ts'
import { words } from '../words.ts'

const brightenMs = 600
const sweepEveryMs = 100
const calm = matchMedia('(prefers-reduced-motion: reduce)')

/** Without a connection of its own a device that was heard this lately is reporting: it sends readings one by one over HTTP. */
const reportingMs = 60_000

const looks = { online: 'state ok', reporting: 'state ok ring', away: 'state off', offline: 'state off ring' } as const

/** `for 3 min · connection lost`; nothing of a device that was never connected. */
export function sinceAndWhy({ since, reason }: Presence, nowMs: number): string {
  if (since === null) return ''
  return withWhy(words.presence.lasting(duration(nowMs - since)), reason)
}

function withWhy(sentence: string, reason: string | undefined): string {
  return reason === undefined ? sentence : `${sentence} · ${words.presence.reasons[reason] ?? reason}`
}

/** Shape, word and colour: never one of them alone. */
export function State({ entry }: { entry: Pick<Entry, 'presence' | 'lastSeenAt'> }) {
  const state = useComputed(() => {
    const { at } = entry.presence.value
    if (at === 'online') return at
    return now.value - (entry.lastSeenAt.value ?? 0) < reportingMs ? 'reporting' : at
  })
  const look = useComputed(() => looks[state.value])
  const word = useComputed(() => words.state[state.value])
  const title = useComputed(() => {
    const { since, reason } = entry.presence.value
    return since === null ? '' : withWhy(words.presence.since(exactTime(since)), reason)
  })
  return (
    <span class={look} title={title}>
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

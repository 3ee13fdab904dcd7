// What happened, as marks on the time axis of the charts: they follow its range and its zoom. The sentence of a mark stands below when it is
// pointed at or has the keyboard.
import { useSignal } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import { axisTime, count, dateTime, momentIn } from '../../format.ts'
import { spanOf, viewOf } from '../../range.ts'
import { query } from '../../router.ts'
import { now } from '../../state.ts'
import { twinWords } from '../../words/twin.ts'
import { type Activity, dayMs } from './activity.ts'
import { Bar } from './connectivity.tsx'
import { type Lane, lanes, type Mark, marksOf } from './marks.ts'
import { stretchesOf } from './stretches.ts'

/** More could not be told apart; those left out are the oldest. */
const marksMax = 200
const ticksMax = 6
const minuteMs = 60_000
const stepsMs = [
  1_000,
  5_000,
  15_000,
  ...[1, 5, 15, 60, 180, 360, 720].map((n) => n * minuteMs),
  ...[1, 2, 7, 30, 90].map((n) => n * dayMs),
]

export function EventLanes({ activity }: { activity: Activity }) {
  const pointed = useSignal<string | null>(null)
  const text = query.value.toString()
  const view = useMemo(() => viewOf(query.value), [text])
  const { fromMs, toMs } = spanOf(view, now.value)
  const spanMs = toMs - fromMs
  const stepMs = stepsMs.find((step) => spanMs / step <= ticksMax) ?? spanMs
  const events = activity.events.value
  if (events === null) return null

  const all = marksOf(events, activity.commands.value ?? [], activity.versions.value, fromMs, toMs)
  const marks = all.slice(-marksMax)
  const shown = lanes.filter((lane) => lane === 'presence' || marks.some((mark) => mark.lane === lane))
  const place = (atMs: number) => `${((atMs - fromMs) / spanMs) * 100}%`
  const mark = marks.find(({ key }) => key === pointed.value)
  return (
    <section class="happened" aria-labelledby="happened">
      <h2 id="happened">
        {twinWords.events.title}{' '}
        <span class="quiet">
          {all.length === 0 ? twinWords.events.none : count(all.length)}
          {all.length > marksMax ? ` · ${twinWords.events.more(count(marksMax))}` : ''}
        </span>
      </h2>
      <div class="lanes">
        {shown.map((lane) => (
          <div key={lane} class="lane">
            <span class="quiet">{twinWords.events.lanes[lane]}</span>
            <div>
              {lane === 'presence' ? (
                <Bar stretches={stretchesOf(activity.presences.value, fromMs, toMs)} fromMs={fromMs} toMs={toMs} />
              ) : null}
              <Marks lane={lane} marks={marks} place={place} pointed={pointed} />
            </div>
          </div>
        ))}
        <div class="lane axis" aria-hidden="true">
          <span />
          <div>
            {ticksOf(fromMs, toMs, stepMs).map((atMs) => (
              <span key={atMs} style={{ left: place(atMs) }}>
                {axisTime(atMs, stepMs)}
              </span>
            ))}
          </div>
        </div>
      </div>
      <p class="pointed" role="status">
        {mark === undefined ? (
          all.length === 0 ? null : (
            twinWords.events.hint
          )
        ) : (
          <>
            <time>{momentIn(mark.atMs, spanMs)}</time> {mark.sentence}
          </>
        )}
      </p>
    </section>
  )
}

/** Round moments by the clock of who looks, none so near an end that its label would be cut. */
function ticksOf(fromMs: number, toMs: number, stepMs: number): number[] {
  const zoneMs = new Date(toMs).getTimezoneOffset() * minuteMs
  const first = Math.ceil((fromMs - zoneMs) / stepMs) * stepMs + zoneMs
  const edgeMs = (toMs - fromMs) / 25
  return Array.from({ length: Math.max(0, Math.floor((toMs - first) / stepMs) + 1) }, (_, i) => first + i * stepMs).filter(
    (atMs) => atMs > fromMs + edgeMs && atMs < toMs - edgeMs,
  )
}

interface MarksProps {
  readonly lane: Lane
  readonly marks: readonly Mark[]
  readonly place: (atMs: number) => string
  readonly pointed: { value: string | null }
}

/** One stop of the Tab key for each lane; arrows walk from mark to mark. */
function Marks({ lane, marks, place, pointed }: MarksProps) {
  const own = marks.filter((mark) => mark.lane === lane)
  const walk = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0
    const { currentTarget } = event
    if (step === 0 || !(currentTarget instanceof HTMLElement)) return
    event.preventDefault()
    const next = step === 1 ? currentTarget.nextElementSibling : currentTarget.previousElementSibling
    if (next instanceof HTMLElement) next.focus()
  }
  return (
    <div class="marks">
      {own.map(({ key, atMs, sentence, isBad }, i) => (
        <button
          key={key}
          type="button"
          class={isBad ? `mark ${lane} bad` : `mark ${lane}`}
          style={{ left: place(atMs) }}
          tabIndex={i === own.length - 1 ? 0 : -1}
          aria-label={twinWords.events.at(dateTime(atMs), sentence)}
          onMouseEnter={() => {
            pointed.value = key
          }}
          onFocus={() => {
            pointed.value = key
          }}
          onKeyDown={walk}
        />
      ))}
    </div>
  )
}

// How the device was connected in the last 24 hours: a thin bar, and how much of the time. The same bar stands below the charts for their range.
import { useComputed } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import { dateTime, duration, exactTime } from '../../format.ts'
import { locale } from '../../language.ts'
import { now } from '../../state.ts'
import { twinWords } from '../../words/twin.ts'
import { type Activity, dayMs } from './activity.ts'
import { reasonText } from './marks.ts'
import { knownOf, type Stretch, stretchesOf, uptimeOf } from './stretches.ts'

/** A pixel of a day is a minute: the bar moves no oftener. */
const stepMs = 60_000
const percent = new Intl.NumberFormat(locale, { maximumFractionDigits: 1, roundingMode: 'floor' }) // 99.99 % is not 100 %
const nearlyAll = 0.99
const { uptime } = twinWords

export function Connectivity({ activity }: { activity: Activity }) {
  const step = useComputed(() => Math.floor(now.value / stepMs)).value
  const presences = activity.presences.value
  const toMs = useMemo(() => now.peek(), [presences, step])
  const stretches = useMemo(() => stretchesOf(presences, toMs - dayMs, toMs), [presences, toMs])
  const part = uptimeOf(stretches)
  if (activity.events.value === null) return <div class="uptime" />
  return (
    <section class="uptime" aria-label={uptime.title}>
      <div class="said">
        <span>{uptime.title}</span>
        <span class="live">{part === null ? uptime.never : shareText(part, stretches)}</span>
      </div>
      {part === null ? null : (
        <>
          <Bar stretches={stretches} fromMs={toMs - dayMs} toMs={toMs} />
          <div class="said ends" aria-hidden="true">
            <span>{uptime.ago}</span>
            <span>{uptime.now}</span>
          </div>
          <div class="hidden">
            <Table stretches={stretches} />
          </div>
        </>
      )}
    </section>
  )
}

/** Colour, height and pattern tell the states apart. */
export function Bar({ stretches, fromMs, toMs }: { stretches: readonly Stretch[]; fromMs: number; toMs: number }) {
  return (
    <div class="strip" aria-hidden="true">
      {stretches.map((stretch) => (
        <i
          key={stretch.fromMs}
          class={stretch.is}
          title={spanText(stretch)}
          style={{
            left: `${((stretch.fromMs - fromMs) / (toMs - fromMs)) * 100}%`,
            width: `${((stretch.toMs - stretch.fromMs) / (toMs - fromMs)) * 100}%`,
          }}
        />
      ))}
    </div>
  )
}

/** For those who do not see the bar. */
function Table({ stretches }: { stretches: readonly Stretch[] }) {
  const { columns } = uptime
  return (
    <table>
      <caption>{uptime.table}</caption>
      <thead>
        <tr>
          <th scope="col">{columns.from}</th>
          <th scope="col">{columns.lasted}</th>
          <th scope="col">{columns.state}</th>
          <th scope="col">{columns.why}</th>
        </tr>
      </thead>
      <tbody>
        {stretches.map((stretch) => (
          <tr key={stretch.fromMs}>
            <td>{exactTime(stretch.fromMs)}</td>
            <td>{duration(stretch.toMs - stretch.fromMs)}</td>
            <td>{uptime.states[stretch.is]}</td>
            <td>{whyText(stretch)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Of a device that is new, or a hub that stood still, how much of the day is known is told, too. */
function shareText(part: number, stretches: readonly Stretch[]): string {
  const knownMs = knownOf(stretches)
  const share = uptime.percent(percent.format(part * 100))
  return knownMs > nearlyAll * dayMs ? share : `${share} ${uptime.ofKnown(duration(knownMs))}`
}

function spanText(stretch: Stretch): string {
  const { fromMs, toMs, is } = stretch
  return uptime.span(uptime.states[is], duration(toMs - fromMs), dateTime(fromMs), whyText(stretch))
}

function whyText({ is, reason }: Stretch): string {
  if (is !== 'unknown') return reasonText(reason)
  return reason === undefined ? uptime.before : uptime.unknown
}

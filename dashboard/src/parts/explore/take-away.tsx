// What is on the screen as a file: every point from the hub by a link, or what is drawn, made here from the lines.
import { exportPath } from '../../api/explore.ts'
import type { Choice } from '../../explore.ts'
import type { Line, Picture } from '../../explore-lines.ts'
import type { Span } from '../../range.ts'
import { exploreWords } from '../../words/explore.ts'
import type { LineName } from './line-chart.tsx'

const says = exploreWords.export
/** After this a browser has begun to read it. */
const keptMs = 60_000

interface TakeAwayProps extends Pick<DrawnProps, 'pictures' | 'nameOf'> {
  readonly choice: Choice
  readonly devices: readonly string[]
  readonly span: () => Span
}

interface DrawnProps {
  readonly pictures: readonly Picture[]
  readonly nameOf: (line: Line) => LineName
}

export function TakeAway({ choice, devices, pictures, nameOf, span }: TakeAwayProps) {
  const save = () => {
    const address = URL.createObjectURL(new Blob([csvOf({ pictures, nameOf }, span())], { type: 'text/csv' }))
    const link = document.createElement('a')
    link.href = address
    link.download = `explore-${new Date().toISOString().slice(0, 10)}.csv`
    link.click()
    setTimeout(() => URL.revokeObjectURL(address), keptMs)
  }
  // The range may end now: what it is, is said when the link is followed.
  const follow = (event: Event & { readonly currentTarget: HTMLAnchorElement }) => {
    event.currentTarget.href = exportPath(devices, choice.metrics, span())
  }
  return (
    <p class="take">
      {choice.by === '' ? (
        <a class="button" href={exportPath(devices, choice.metrics, span())} download title={says.pointsTitle} onClick={follow}>
          {says.points}
        </a>
      ) : null}
      <button type="button" title={says.drawnTitle} onClick={save}>
        {says.drawn}
      </button>
    </p>
  )
}

/** Points of an earlier window stand at their own times, not where they are drawn; `before` says how many ms those were moved. */
function csvOf({ pictures, nameOf }: DrawnProps, { fromMs, toMs }: Span): string {
  const rows = [says.header.join(',')]
  for (const { metric, lines } of pictures) {
    for (const line of lines) {
      const { times, values } = line.series.columns
      for (let i = 0; i < times.length; i++) {
        if (times[i]! < fromMs - line.everyMs || times[i]! > toMs) continue
        const time = new Date(times[i]! - line.shiftMs).toISOString()
        const value = line.boolean ? values[i] === 1 : values[i]
        rows.push([field(nameOf(line).of), field(metric), time, value, line.earlier ? line.shiftMs : ''].join(','))
      }
    }
  }
  return `${rows.join('\r\n')}\r\n`
}

/** RFC 4180; what a spreadsheet would run as a formula is kept from it by an apostrophe. */
function field(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

// The legend of a picture, and what it says in numbers: a row per line. While the pointer is over a picture, the first column is its moment.
import { type Signal, useComputed } from '@preact/signals'
import type { Line, Picture } from '../../explore-lines.ts'
import type { Figures } from '../../figures.ts'
import { count, momentIn } from '../../format.ts'
import { devicePath } from '../../router.ts'
import { exploreWords } from '../../words/explore.ts'
import { valueText } from '../plot.ts'
import type { LineName, Pointed } from './line-chart.tsx'
import { Swatch } from './swatch.tsx'

const says = exploreWords
const meanDigits = 4

interface TableProps {
  readonly picture: Picture
  readonly figures: Signal<readonly Figures[]>
  readonly pointed: Signal<Pointed | null>
  readonly nameOf: (line: Line) => LineName
}

export function FiguresTable({ picture, figures, pointed, nameOf }: TableProps) {
  const moment = useComputed(() => {
    const { value } = pointed
    return value === null ? says.columns.newest : momentIn(value.atMs, value.spanMs)
  })
  const { columns } = says
  return (
    <table class="plain legend">
      <caption class="hidden">{says.figuresOf(picture.metric)}</caption>
      <thead>
        <tr>
          <th scope="col">{columns.line}</th>
          <th scope="col" class="number newest">
            {moment}
          </th>
          <th scope="col" class="number">
            {columns.low}
          </th>
          <th scope="col" class="number">
            {columns.mean}
          </th>
          <th scope="col" class="number">
            {columns.high}
          </th>
          <th scope="col" class="number">
            {columns.count}
          </th>
        </tr>
      </thead>
      <tbody>
        {picture.lines.map((line, at) => (
          <Row key={`${line.key} ${line.earlier}`} line={line} at={at} figures={figures} pointed={pointed} name={nameOf(line)} />
        ))}
      </tbody>
    </table>
  )
}

interface RowProps extends Pick<TableProps, 'figures' | 'pointed'> {
  readonly line: Line
  readonly at: number
  readonly name: LineName
}

function Row({ line, at, figures, pointed, name }: RowProps) {
  const text = (value: number | null | undefined) => (value === null || value === undefined ? '–' : valueText(value, line.boolean))
  const newest = useComputed(() => text(pointed.value === null ? figures.value[at]?.newest : pointed.value.values[at]))
  const low = useComputed(() => text(figures.value[at]?.low))
  const high = useComputed(() => text(figures.value[at]?.high))
  // Of true and false the mean is the share that was true.
  const mean = useComputed(() => {
    const value = figures.value[at]?.mean
    return line.boolean && value !== null && value !== undefined ? says.share(Math.round(value * 100)) : text(rounded(value))
  })
  const points = useComputed(() => count(figures.value[at]?.count ?? 0))
  return (
    <tr class={line.earlier ? 'earlier' : undefined}>
      <th scope="row" title={name.of}>
        <Swatch place={line.place} earlier={line.earlier} />
        <Name line={line} name={name} />
      </th>
      <td class="number newest value">{newest}</td>
      <td class="number value">{low}</td>
      <td class="number value">{mean}</td>
      <td class="number value">{high}</td>
      <td class="number value">{points}</td>
    </tr>
  )
}

/** More digits of a mean than its points have say nothing. */
function rounded(mean: number | null | undefined): number | null {
  return mean === null || mean === undefined || Math.abs(mean) >= 1_000 ? (mean ?? null) : Number(mean.toPrecision(meanDigits))
}

/** An earlier line stands below its own: to the eye its name would be said twice. */
function Name({ line, name }: Pick<RowProps, 'line' | 'name'>) {
  if (line.earlier)
    return (
      <>
        <span class="hidden">{name.of}, </span>
        {name.when}
      </>
    )
  return line.isDevice ? <a href={devicePath(line.key)}>{name.of}</a> : <span>{name.of}</span>
}

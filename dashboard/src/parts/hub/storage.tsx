// What is stored, tier by tier, what that takes of the disk, and how long the room will last.
import { useSignal } from '@preact/signals'
import { loadStore, type StoreStatus, tierNames } from '../../api/hub.ts'
import { ago, bytes, count, date, number } from '../../format.ts'
import { now } from '../../state.ts'
import { hubWords } from '../../words/hub.ts'
import { CopyButton } from '../copy.tsx'
import { useReading } from '../device/reading.ts'
import { ProblemNotice } from '../notice.tsx'

const againMs = 15_000
/** A forecast beyond it says nothing. */
const daysMax = 3_650
const { store: said } = hubWords

/** `withKeep`: how to say how long points are kept stands below it. */
export function Storage({ withKeep = false }: { withKeep?: boolean }) {
  const store = useSignal<StoreStatus | null>(null)
  const reading = useReading('store', againMs, async (abort) => {
    store.value = await loadStore(abort)
  })
  const { value } = store
  return (
    <section aria-label={said.title}>
      <h2>{said.title}</h2>
      {reading.problem.value === null ? null : <ProblemNotice problem={reading.problem.value} again={reading.again} />}
      {value === null ? null : (
        <>
          {value.problem === null ? null : <Warning text={value.problem} />}
          {value.integrity.damaged.map((sentence) => (
            <Warning key={sentence} text={`${said.damaged}: ${sentence}`} />
          ))}
          <Disk disk={value.disk} store={value} />
          <Tiers store={value} />
        </>
      )}
      {withKeep ? <Line sentence={said.keep} line={said.keepLine} /> : null}
    </section>
  )
}

function Warning({ text }: { text: string }) {
  return (
    <p class="state bad">
      <i class="shape bad" />
      {text}
    </p>
  )
}

function Disk({ disk, store: { series, projection, integrity } }: { disk: StoreStatus['disk']; store: StoreStatus }) {
  const { figures } = said
  const { budgetBytes } = disk
  return (
    <>
      <dl class="amounts">
        <Fact name={figures.disk} value={budgetBytes === null ? bytes(disk.bytes) : said.budget(bytes(disk.bytes), bytes(budgetBytes))}>
          {budgetBytes === null ? null : <Share part={disk.bytes / budgetBytes} label={said.budgetLabel} />}
        </Fact>
        <Fact name={figures.free} value={bytes(disk.freeBytes)} />
        <Fact name={figures.growth} value={disk.bytesPerDay === null ? said.unknown : said.perDay(bytes(Math.max(0, disk.bytesPerDay)))} />
        <Fact name={figures.left} value={forecastOf(disk)} />
        <Fact
          name={figures.perPoint}
          value={series.bytesPerPoint === null ? said.unknown : said.perPoint(number(round(series.bytesPerPoint)))}
        />
        <Fact name={figures.lag} value={said.lag(count(projection.lagMessages))} />
      </dl>
      {budgetBytes === null ? <Line sentence={said.noBudget} line={said.budgetLine} /> : null}
      {disk.next === null && integrity.scrubbedAt === null ? null : (
        <p class="quiet note">
          {disk.next === null ? null : said.next(disk.next)}{' '}
          {integrity.scrubbedAt === null ? null : said.scrubbed(ago(integrity.scrubbedAt, now.value))}
        </p>
      )}
    </>
  )
}

function Fact({ name, value, children }: { name: string; value: string; children?: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="live">{value}</dd>
      {children === undefined ? null : <dd>{children}</dd>}
    </div>
  )
}

function forecastOf({ daysLeft, bytesPerDay, budgetBytes }: StoreStatus['disk']): string {
  if (daysLeft === null) return budgetBytes !== null && bytesPerDay !== null && bytesPerDay <= 0 ? said.never : said.unknown
  return daysLeft > daysMax ? said.never : said.days(count(daysLeft))
}

function Tiers({ store: { tiers, heads, journal } }: { store: StoreStatus }) {
  const { columns } = said
  const rows = [
    ...tierNames.map((name) => {
      const { bytes: size, count: kept, fromMs, toMs } = tiers[name]
      const text = name === 'raw' ? said.points(count(kept)) : said.buckets(count(kept))
      const span = fromMs === null || toMs === null ? '' : said.span(date(fromMs), date(toMs))
      return { name: said.tiers[name], size, kept: kept === 0 ? said.empty : text, span }
    }),
    { name: said.heads, size: heads.bytes, kept: heads.points === 0 ? said.empty : said.points(count(heads.points)), span: '' },
    { name: said.journal, size: journal.bytes, kept: said.journalBound(bytes(journal.bytesMax)), span: '' },
  ]
  const all = Math.max(1, ...rows.map(({ size }) => size))
  return (
    <table class="plain stacked tiers" aria-label={said.table}>
      <thead>
        <tr>
          <th scope="col">{columns.tier}</th>
          <th scope="col" class="number">
            {columns.bytes}
          </th>
          <th scope="col">
            <span class="hidden">{columns.share}</span>
          </th>
          <th scope="col">{columns.count}</th>
          <th scope="col">{columns.span}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ name, size, kept, span }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="number live" data-label={columns.bytes}>
              {bytes(size)}
            </td>
            <td class="share" aria-hidden="true">
              <Share part={size / all} />
            </td>
            <td data-label={columns.count}>{kept}</td>
            <td data-label={columns.span}>{span}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** `label`: without one it is a picture of what stands beside it. */
function Share({ part, label }: { part: number; label?: string }) {
  const percent = Math.round(Math.min(1, Math.max(0, part)) * 1_000) / 10
  const bar = <span class="bar">{percent === 0 ? null : <i style={{ width: `${percent}%` }} />}</span>
  if (label === undefined) return bar
  return (
    <span class={part >= 0.8 ? 'used near' : 'used'} role="img" aria-label={`${label}: ${percent} %`}>
      {bar}
      <span>
        {part >= 0.8 ? <i class="shape warn" /> : null}
        {percent} %
      </span>
    </span>
  )
}

function Line({ sentence, line }: { sentence: string; line: string }) {
  return (
    <div class="advice">
      <p class="quiet">{sentence}</p>
      <p>
        <code>{line}</code> <CopyButton text={line} what={sentence} />
      </p>
    </div>
  )
}

function round(n: number): number {
  return Number(n.toPrecision(3))
}

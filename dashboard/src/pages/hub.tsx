// Hub: for whoever looks after it. What flows now, what was refused or dropped and why, and how near each limit is.
import { useComputed, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { type Figures, type Hub, type Listener, loadHub, Problem } from '../api.ts'
import { bytes, count, duration, exactTime, rate } from '../format.ts'
import { ProblemNotice } from '../parts/notice.tsx'
import { epoch, figures, liveState, now, waitFor, watch } from '../state.ts'
import { words } from '../words.ts'

type FigureName = keyof typeof words.hub.figures

/** Refusals, drops and the use of limits are not in the live figures. */
const againMs = 3_000
const figureNames = Object.keys(words.hub.figures) as FigureName[]

export function HubPage() {
  const hub = useSignal<Hub | null>(null)
  const problem = useSignal<Problem | null>(null)
  const tries = useSignal(0)

  useEffect(() => watch([]), [])

  useEffect(() => {
    if (epoch.value === 0) return
    const abort = new AbortController()
    const read = async () => {
      try {
        hub.value = await loadHub(abort.signal)
        figures.value ??= hub.value.figures
        problem.value = null
      } catch (error) {
        if (error instanceof Problem) problem.value = error
      }
    }
    waitFor(read())
    const timer = setInterval(() => {
      if (liveState.peek().is === 'live' && !document.hidden) read()
    }, againMs)
    return () => {
      clearInterval(timer)
      abort.abort()
    }
  }, [epoch.value, tries.value])

  return (
    <>
      <div class="head">
        <h1>{words.hub.title}</h1>
        {hub.value === null ? null : <Standing hub={hub.value} />}
      </div>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={() => tries.value++} />}
      {hub.value === null ? null : (
        <>
          <Now />
          <Refusals refusals={hub.value.refusals} />
          <Drops drops={hub.value.drops} />
          <Limits limits={hub.value.limits} />
        </>
      )}
    </>
  )
}

function Standing({ hub }: { hub: Hub }) {
  const { mqtt, http, mqtts, https, all } = hub.listeners
  const listens = [
    mqtt === null ? words.hub.mqttOff : words.hub.listensMqtt(at(mqtt)),
    words.hub.listensHttp(at(http)),
    ...(mqtts === null ? [] : [words.hub.listensMqtts(at(mqtts))]),
    ...(https === null ? [] : [words.hub.listensHttps(at(https))]),
    ...(all === null ? [] : [words.hub.listensAll(at(all))]),
  ]
  const up = useComputed(() => words.hub.sentence(hub.version, duration(now.value - hub.startedAt)))
  return (
    <p class="sentence">
      <span title={exactTime(hub.startedAt)}>{up}</span> {words.hub.durabilitySays[hub.durability]}
      <br />
      <span class="quiet">{listens.join(' · ')}</span>
    </p>
  )
}

function Now() {
  return (
    <section aria-label={words.hub.now}>
      <dl class="figures large">
        {figureNames.map((name) => (
          <Figure key={name} name={name} />
        ))}
      </dl>
    </section>
  )
}

function Figure({ name }: { name: FigureName }) {
  const [label, unit] = words.hub.figures[name]
  const text = useComputed(() => (figures.value === null ? '–' : figureText(name, figures.value)))
  return (
    <div>
      <dt>{label}</dt>
      <dd class="live">
        {text}
        {unit === '' ? null : <span class="unit"> {unit}</span>}
      </dd>
    </div>
  )
}

function figureText(name: FigureName, now: Figures): string {
  if (name === 'backlogBytes') return bytes(now.backlogBytes)
  if (name === 'connected') return `${count(now.connected)} / ${count(now.devices)}`
  if (name.endsWith('PerSecond') || name.endsWith('Ms')) return rate(now[name])
  return count(now[name])
}

function Refusals({ refusals }: { refusals: Hub['refusals'] }) {
  const rows = refusals.map(({ code, ...rest }) => ({ name: code, ...rest }))
  return <Counted title={words.hub.refusals} none={words.hub.refusalsNone} columns={words.hub.refusalColumns} rows={rows} />
}

function Drops({ drops }: { drops: Hub['drops'] }) {
  const rows = drops.map(({ reason, ...rest }) => ({ name: reason, ...rest }))
  return <Counted title={words.hub.drops} none={words.hub.dropsNone} columns={words.hub.dropColumns} rows={rows} />
}

interface CountedProps {
  readonly title: string
  /** What is said while nothing has happened. */
  readonly none: string
  readonly columns: { readonly name: string; readonly sentence: string; readonly count: string }
  readonly rows: readonly { readonly name: string; readonly sentence: string; readonly count: number }[]
}

/** What has happened so far, the most frequent first. */
function Counted({ title, none, columns, rows }: CountedProps) {
  const met = rows.filter(({ count: times }) => times > 0).toSorted((a, b) => b.count - a.count)
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {met.length === 0 ? (
        <p class="empty">{none}</p>
      ) : (
        <table class="plain counted">
          <thead>
            <tr>
              <th scope="col" class="number">
                {columns.count}
              </th>
              <th scope="col">{columns.name}</th>
              <th scope="col">{columns.sentence}</th>
            </tr>
          </thead>
          <tbody>
            {met.map((row) => (
              <tr key={row.name}>
                <td class="number">{count(row.count)}</td>
                <th scope="row">
                  <code>{row.name}</code>
                </th>
                <td>
                  <Sentence text={row.sentence} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

/** The table of refusals has places for what differs each time: {limit}. They are shown as such. */
function Sentence({ text }: { text: string }) {
  return <>{text.split(/\{(\w+)\}/).map((part, i) => (i % 2 === 1 ? <var key={`${i} ${part}`}>{part}</var> : part))}</>
}

function Limits({ limits }: { limits: Hub['limits'] }) {
  const { limitColumns: columns } = words.hub
  return (
    <section>
      <h2>{words.hub.limits}</h2>
      <table class="plain limits">
        <thead>
          <tr>
            <th scope="col">{columns.name}</th>
            <th scope="col" class="number">
              {columns.value}
            </th>
            <th scope="col">{columns.used}</th>
            <th scope="col">{columns.reason}</th>
          </tr>
        </thead>
        <tbody>
          {limits.map((limit) => (
            <tr key={limit.name}>
              <th scope="row">
                <code>{limit.name}</code>
              </th>
              <td class="number">{limitText(limit.name, limit.value)}</td>
              <td class="use">{limit.used === null ? null : <Use name={limit.name} used={limit.used} value={limit.value} />}</td>
              <td class="reason">{limit.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Use({ name, used, value }: { name: string; used: number; value: number }) {
  const part = Math.min(1, Math.max(0, used / value))
  const near = part >= 0.8
  return (
    <span class={near ? 'used near' : 'used'}>
      <span class="bar">
        <i style={{ width: `${part * 100}%` }} />
      </span>
      <span>
        {near ? <i class="shape warn" /> : null}
        {limitText(name, used)}
      </span>
    </span>
  )
}

/** The unit is part of a limit's name. */
function limitText(name: string, value: number): string {
  if (/Bytes/.test(name)) return bytes(value)
  if (/Seconds$/.test(name)) return duration(value * 1_000)
  if (/Ms$/.test(name)) return `${count(value)} ms`
  return count(value)
}

function at({ address, port }: Listener): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

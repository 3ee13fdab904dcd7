// What flows now: figures of this second, how they went, and who is connected by which wire.
import { useComputed } from '@preact/signals'
import type { Figures } from '../../api.ts'
import { bytes, count, rate } from '../../format.ts'
import { isPulse } from '../../pulse.ts'
import { figures } from '../../state.ts'
import { hubWords } from '../../words/hub.ts'
import { words } from '../../words.ts'
import { Sparkline } from '../sparkline.tsx'

type FigureName = keyof typeof words.hub.figures

const figureNames = Object.keys(words.hub.figures) as FigureName[]

export function Now({ wires }: { wires: Readonly<Record<string, number>> | null }) {
  return (
    <section aria-label={words.hub.now}>
      <dl class="figures large">
        {figureNames.map((name) => (
          <Figure key={name} name={name} />
        ))}
      </dl>
      {wires === null ? null : <Wires wires={wires} />}
    </section>
  )
}

function Wires({ wires }: { wires: Readonly<Record<string, number>> }) {
  const used = Object.entries(wires).toSorted(([, a], [, b]) => b - a)
  return (
    <p class="wires">
      <span class="quiet">{hubWords.wires.label}</span>
      {used.length === 0 ? hubWords.wires.none : null}
      {used.map(([wire, n]) => (
        <span key={wire}>
          {words.transports[wire] ?? wire} <b class="live">{count(n)}</b>
        </span>
      ))}
    </p>
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
      <dd class="picture">{isPulse(name) ? <Sparkline name={name} /> : null}</dd>
    </div>
  )
}

function figureText(name: FigureName, now: Figures): string {
  if (name === 'backlogBytes') return bytes(now.backlogBytes)
  if (name === 'connected') return `${count(now.connected)} / ${count(now.devices)}`
  if (name.endsWith('PerSecond') || name.endsWith('Ms')) return rate(now[name])
  return count(now[name])
}

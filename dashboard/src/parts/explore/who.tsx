// Which devices and which metrics. Ids and ways to choose (type, tags, group) do not mix: one added takes the place of the other.
import { useComputed, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { loadGroups } from '../../api/explore.ts'
import { type Choice, metricsMax } from '../../explore.ts'
import { fleet } from '../../state.ts'
import { exploreWords } from '../../words/explore.ts'
import { type Option, Picker } from './picker.tsx'

const says = exploreWords
const searchAfterMs = 200
/** Types and tags that are completed. */
const facetsMax = 2_000
const optionsMax = 40

interface WhoProps {
  readonly choice: Choice
  /** Metrics that the devices have, and on how many. */
  readonly metrics: ReadonlyMap<string, number>
  readonly onChoose: (change: Partial<Choice>) => void
}

export function Who({ choice, metrics, onChoose }: WhoProps) {
  const groups = useSignal<readonly string[]>([])
  const searched = useSignal('')
  const ways = useComputed(() => waysOf(groups.value))
  useEffect(() => {
    const abort = new AbortController()
    loadGroups(abort.signal).then(
      (names) => (groups.value = names),
      () => {}, // they are a help while typing, no more
    )
    return () => abort.abort()
  }, [])
  // A page holds 20,000 devices; past these the hub is asked.
  useEffect(() => {
    if (fleet.whole.value || searched.value.length < 2) return
    const abort = new AbortController()
    const timer = setTimeout(() => fleet.search(searched.value, abort.signal).catch(() => {}), searchAfterMs)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [searched.value, fleet.whole.value])

  const deviceOptions = (text: string): readonly Option[] => {
    const wanted = text.toLowerCase()
    const options: Option[] = []
    const isWay = /^(type|tag|group):/.test(wanted)
    if (!isWay) {
      for (const { id, name } of fleet.list.value) {
        if (options.length >= optionsMax) break
        if (!id.toLowerCase().includes(wanted) && !name.peek().toLowerCase().includes(wanted)) continue
        options.push({ value: id, text: id, ...(name.peek() === id ? {} : { note: name.peek() }) })
      }
    }
    const fitting = ways.value.filter((way) => way.toLowerCase().includes(wanted)).map((way) => ({ value: way, text: way }))
    // What begins as it was typed stands first; without a letter typed, devices do.
    options.sort((a, b) => Number(b.value.toLowerCase().startsWith(wanted)) - Number(a.value.toLowerCase().startsWith(wanted)))
    return isWay ? fitting : wanted === '' ? [...options.slice(0, 7), ...starts] : [...options.slice(0, 7), ...fitting]
  }
  const metricOptions = (text: string): readonly Option[] =>
    [...metrics]
      .filter(([metric]) => metric.toLowerCase().includes(text.toLowerCase()))
      .map(([metric, n]) => ({ value: metric, text: metric, note: says.on(n) }))

  return (
    <div class="who">
      <Picker
        isFirst
        label={says.devices.label}
        add={says.devices.add}
        hint={chosenDevices(choice).length === 0 ? says.devices.first : says.devices.add}
        listLabel={says.devices.options}
        chosen={chosenDevices(choice)}
        optionsFor={deviceOptions}
        onText={(text) => (searched.value = text)}
        onAdd={(value) => onChoose(withDevices(choice, value))}
        onRemove={(value) => onChoose(withoutDevices(choice, value))}
      />
      <Picker
        label={says.metrics.label}
        add={says.metrics.add}
        hint={choice.metrics.length >= metricsMax ? says.metricsFull(metricsMax) : says.metrics.hint}
        listLabel={says.metrics.options}
        chosen={choice.metrics.map((metric) => ({ value: metric, text: metric }))}
        optionsFor={metricOptions}
        onAdd={(metric) => onChoose({ metrics: [...choice.metrics, metric].slice(0, metricsMax) })}
        onRemove={(metric) => onChoose({ metrics: choice.metrics.filter((one) => one !== metric) })}
      />
    </div>
  )
}

const starts: readonly Option[] = ['type:', 'tag:', 'group:'].map((way) => ({ value: way, text: way }))

function chosenDevices({ devices, type, tags, group }: Choice): readonly Option[] {
  const ways = [...(type === '' ? [] : [`type:${type}`]), ...tags.map((tag) => `tag:${tag}`), ...(group === '' ? [] : [`group:${group}`])]
  return (devices.length > 0 ? devices : ways).map((value) => ({ value, text: value }))
}

function withDevices({ devices, tags }: Choice, value: string): Partial<Choice> {
  const [, way, rest = ''] = /^(type|tag|group):(.*)$/.exec(value) ?? []
  if (way === 'type') return { devices: [], type: rest }
  if (way === 'tag') return { devices: [], tags: [...tags, rest] }
  if (way === 'group') return { devices: [], group: rest }
  return { devices: [...devices, value], type: '', tags: [], group: '' }
}

function withoutDevices({ devices, tags }: Choice, value: string): Partial<Choice> {
  if (devices.length > 0) return { devices: devices.filter((one) => one !== value) }
  if (value.startsWith('type:')) return { type: '' }
  if (value.startsWith('group:')) return { group: '' }
  return { tags: tags.filter((tag) => `tag:${tag}` !== value) }
}

/** As the devices that are held have them. */
function waysOf(groups: readonly string[]): readonly string[] {
  fleet.described.value
  const ways = new Set<string>()
  for (const { type, tags } of fleet.list.value) {
    if (ways.size > facetsMax) break
    if (type.peek() !== null) ways.add(`type:${type.peek()}`)
    for (const [name, value] of Object.entries(tags.peek())) ways.add(`tag:${name}:${value}`)
  }
  return [...[...ways].sort(), ...groups.map((name) => `group:${name}`)]
}

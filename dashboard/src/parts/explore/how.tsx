// How what was chosen is drawn: points or buckets, which lines, compared with when.
import { useComputed } from '@preact/signals'
import { aggregates, befores, type Choice, everys } from '../../explore.ts'
import { fleet } from '../../state.ts'
import { exploreWords } from '../../words/explore.ts'

const says = exploreWords
const tagNamesMax = 40

interface HowProps {
  readonly choice: Choice
  /** The length of the buckets that are drawn. */
  readonly every: string
  readonly onChoose: (change: Partial<Choice>) => void
}

export function How({ choice, every, onChoose }: HowProps) {
  const { aggregate, by, before } = choice
  const tagNames = useComputed(() => tagNamesNow())
  const isSummed = aggregate !== ''
  return (
    <div class="how">
      <Select
        label={says.sum.label}
        value={aggregate}
        options={withOther(['', ...aggregates], aggregate).map((name) => [name, sumText(name)])}
        // Points of several devices are no line.
        onChange={(name) => onChoose(name === '' ? { aggregate: '', by: '', every: '' } : { aggregate: name })}
      />
      {isSummed ? (
        <Select
          label={says.every.label}
          value={choice.every}
          options={withOther(['', ...everys], choice.every).map((one) => [
            one,
            one === '' ? says.every.auto(lengthText(every)) : lengthText(one),
          ])}
          onChange={(length) => onChoose({ every: length })}
        />
      ) : null}
      <Select
        label={says.by.label}
        value={by}
        options={withOther(['', 'metric', 'type', ...tagNames.value.map((name) => `tag:${name}`)], by).map((one) => [one, byText(one)])}
        onChange={(one) => onChoose(one === '' || isSummed ? { by: one } : { by: one, aggregate: 'avg' })}
      />
      <Select
        label={says.before.label}
        value={before}
        options={withOther(['', ...befores], before).map((one) => [
          one,
          one === '' ? says.before.none : says.before.option(beforeText(one)),
        ])}
        onChange={(one) => onChoose({ before: one })}
      />
    </div>
  )
}

export function lengthText(every: string): string {
  const [, n = '', unit = ''] = /^(\d+)(\D+)$/.exec(every) ?? []
  return `${n} ${says.every.units[unit] ?? unit}`
}

export function beforeText(before: string): string {
  return says.before.lengths[before] ?? lengthText(before)
}

interface SelectProps {
  readonly label: string
  readonly value: string
  readonly options: readonly (readonly [value: string, text: string])[]
  readonly onChange: (value: string) => void
}

function Select({ label, value, options, onChange }: SelectProps) {
  return (
    <label>
      <span class="quiet">{label}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([one, text]) => (
          <option key={one} value={one} selected={one === value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
}

/** The address may say what no list offers. */
function withOther(values: readonly string[], value: string): readonly string[] {
  return values.includes(value) ? values : [...values, value]
}

function sumText(name: string): string {
  return name === '' ? says.sum.none : (says.sum.names[name] ?? says.sum.percentile(name))
}

function byText(by: string): string {
  if (by === '') return says.by.device
  if (by === 'type' || by === 'metric') return says.by[by]
  return says.by.tag(by.slice('tag:'.length))
}

function tagNamesNow(): readonly string[] {
  fleet.described.value
  const names = new Set<string>()
  for (const { tags } of fleet.list.value) {
    for (const name of Object.keys(tags.peek())) names.add(name)
    if (names.size > tagNamesMax) break
  }
  return [...names].sort()
}

// Device types: what each says of its devices, in words and as a table of metrics.
import type { DeviceType, MetricRule } from '../../../../devices/device-type.ts'
import { loadTypes } from '../../api/settings.ts'
import { bytes, number } from '../../format.ts'
import { settingsWords } from '../../words/settings.ts'
import { Documents, DocumentTools, type Tools } from './documents.tsx'

const { types: said } = settingsWords
const example = {
  metrics: { temperature: { type: 'number', unit: '°C', min: -40, max: 125 } },
  keep: 'raw 30d, minute 1y',
  limits: { messagesPerSecond: 10 },
}

export function Types() {
  return (
    <Documents
      kind="types"
      title={settingsWords.names.types}
      add={said.add}
      removeSays={said.removeSays}
      example={example}
      load={loadTypes}
      show={(types, tools) =>
        types.length === 0 ? <p class="empty">{said.none}</p> : types.map((type) => <One key={type.name} type={type} tools={tools} />)
      }
    />
  )
}

function One({ type: { name, ...body }, tools }: { type: DeviceType; tools: Tools }) {
  const { metrics = {} } = body
  return (
    <div class="document">
      <h3>
        {name} <DocumentTools name={name} body={body} tools={tools} />
      </h3>
      {body.description === undefined ? null : <p class="quiet">{body.description}</p>}
      <dl class="amounts">
        {factsOf(body).map(([label, text]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      {Object.keys(metrics).length === 0 ? null : <Metrics name={name} metrics={metrics} />}
    </div>
  )
}

function factsOf({ role, keep, others, children, limits = {}, commands = {} }: Omit<DeviceType, 'name'>): (readonly [string, string])[] {
  const { facts } = said
  const rates = Object.entries(limits).map(([name, n]) =>
    said.rates[name as keyof typeof said.rates](name === 'bytesPerSecond' ? bytes(n) : number(n)),
  )
  const all: (readonly [string, string])[] = [
    [facts.role, role ?? ''],
    [facts.keep, keep ?? ''],
    [facts.others, others === undefined ? '' : said.others[others]],
    [facts.children, children === undefined ? '' : said.children[children]],
    [facts.rates, rates.join(' · ')],
    [facts.commands, Object.keys(commands).join(', ')],
  ]
  return all.filter(([, text]) => text !== '')
}

function Metrics({ name, metrics }: { name: string; metrics: { readonly [metric: string]: MetricRule } }) {
  const { columns } = said
  return (
    <table class="plain stacked" aria-label={said.table(name)}>
      <thead>
        <tr>
          {Object.values(columns).map((column) => (
            <th key={column} scope="col">
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {Object.entries(metrics).map(([metric, { type, unit, min, max, every, description }]) => (
          <tr key={metric}>
            <th scope="row">
              <code>{metric}</code>
            </th>
            <td>{type}</td>
            <td>{unit}</td>
            <td>{min === undefined && max === undefined ? null : said.range(boundText(min), boundText(max))}</td>
            <td data-label={columns.every}>{every === undefined ? null : said.seconds(number(every))}</td>
            <td class="quiet">{description}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function boundText(bound: number | undefined): string {
  return bound === undefined ? '' : number(bound)
}

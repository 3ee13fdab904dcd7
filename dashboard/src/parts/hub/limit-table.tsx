// Every bound of the hub, and how near it is.
import type { Hub } from '../../api.ts'
import { bytes, count, duration } from '../../format.ts'
import { words } from '../../words.ts'

export function Limits({ limits }: { limits: Hub['limits'] }) {
  const { limitColumns: columns } = words.hub
  return (
    <section aria-label={words.hub.limits}>
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

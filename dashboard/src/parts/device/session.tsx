// How the device is connected now, and how to end that.
import { useSignal } from '@preact/signals'
import { type Connection, closeConnections, type DeviceDetail } from '../../api/twin.ts'
import { Problem } from '../../api.ts'
import { count, duration, exactTime } from '../../format.ts'
import { may } from '../../me.ts'
import { now } from '../../state.ts'
import { twinWords } from '../../words/twin.ts'
import { words } from '../../words.ts'
import { Confirm } from './confirm.tsx'

const { session: said } = twinWords
/** What a row shows of the subscriptions; the others are counted. */
const filtersShown = 6

export function SessionSection({ device, onChanged }: { device: DeviceDetail; onChanged: () => void }) {
  const asked = useSignal(false)
  const answer = useSignal('')
  const { connections } = device
  const close = async () => {
    asked.value = false
    try {
      answer.value = said.kicked(count((await closeConnections(device.id)).closed))
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      answer.value = error.message
    }
    onChanged()
  }
  return (
    <section class="session" aria-labelledby="session">
      <h2 id="session">{said.title}</h2>
      {connections.length === 0 ? <p class="empty">{said.none}</p> : <Connections connections={connections} />}
      <div class="below">
        {asked.value ? (
          <Confirm
            name={device.id}
            sentence={said.kickSays}
            submit={said.kickDo}
            onConfirm={close}
            onEnd={() => {
              asked.value = false
            }}
          />
        ) : connections.length > 0 && may('admin') ? (
          <button
            type="button"
            onClick={() => {
              answer.value = ''
              asked.value = true
            }}
          >
            {said.kick}
          </button>
        ) : null}
        <span role="status">{answer.value}</span>
      </div>
    </section>
  )
}

function Connections({ connections }: { connections: readonly Connection[] }) {
  const { columns } = said
  return (
    <table class="plain connections" aria-label={said.table}>
      <thead>
        <tr>
          <th scope="col">{columns.client}</th>
          <th scope="col">{columns.wire}</th>
          <th scope="col">{columns.address}</th>
          <th scope="col">{columns.since}</th>
          <th scope="col">{columns.keepAlive}</th>
          <th scope="col">{columns.filters}</th>
        </tr>
      </thead>
      <tbody>
        {connections.map(({ clientId, transport, address, sinceMs, keepAliveSeconds, subscriptions }) => (
          <tr key={clientId}>
            <th scope="row" data-label={columns.client}>
              <code>{clientId}</code>
            </th>
            <td data-label={columns.wire}>{words.transports[transport] ?? transport}</td>
            <td data-label={columns.address}>
              <code>{address}</code>
            </td>
            <td data-label={columns.since} title={exactTime(sinceMs)}>
              {duration(now.value - sinceMs)}
            </td>
            <td data-label={columns.keepAlive}>{keepAliveSeconds === 0 ? said.noKeepAlive : duration(keepAliveSeconds * 1_000)}</td>
            <td data-label={columns.filters} title={subscriptions.join('\n')}>
              {subscriptions.length === 0 ? said.noFilters : null}
              {subscriptions.slice(0, filtersShown).map((filter) => (
                <code key={filter}>{filter}</code>
              ))}
              {subscriptions.length > filtersShown ? <span class="quiet">+{count(subscriptions.length - filtersShown)}</span> : null}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

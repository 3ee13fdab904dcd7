// Sessions that are owed most, and how to close the connection of one that does not read.
import { useSignal } from '@preact/signals'
import { kickSession, type Session, type SessionList } from '../../api/hub.ts'
import { bytes, count, duration, exactTime } from '../../format.ts'
import { may } from '../../me.ts'
import { devicePath } from '../../router.ts'
import { now } from '../../state.ts'
import { hubWords } from '../../words/hub.ts'
import { words } from '../../words.ts'
import { Confirm } from '../confirm.tsx'

const { sessions: said } = hubWords

export function Sessions({ list, onChanged }: { list: SessionList; onChanged: () => void }) {
  const kicked = useSignal<string | null>(null)
  const { sessions, total } = list
  return (
    <section aria-label={said.title}>
      <h2>
        {said.title}{' '}
        {total === 0 ? null : (
          <span class="quiet">
            {sessions.length < total ? said.lead(count(sessions.length), count(total)) : said.all(total, count(total))}
          </span>
        )}
      </h2>
      {sessions.length === 0 ? (
        <p class="empty">{said.none}</p>
      ) : (
        <Table
          sessions={sessions}
          onKick={(client) => {
            kicked.value = client
          }}
        />
      )}
      {kicked.value === null ? null : (
        <Confirm
          title={said.kickTitle(kicked.value)}
          says={said.kickSays}
          text={kicked.value}
          submit={said.kickDo}
          act={async () => {
            await kickSession(kicked.value!)
            onChanged()
          }}
          onClose={() => {
            kicked.value = null
          }}
        />
      )}
    </section>
  )
}

function Table({ sessions, onKick }: { sessions: readonly Session[]; onKick: (client: string) => void }) {
  const { columns } = said
  return (
    <table class="plain stacked sessions" aria-label={said.table}>
      <thead>
        <tr>
          <th scope="col">{columns.client}</th>
          <th scope="col">{columns.standing}</th>
          <th scope="col">{columns.wire}</th>
          <th scope="col">{columns.address}</th>
          <th scope="col" class="number">
            {columns.filters}
          </th>
          <th scope="col" class="number">
            {columns.messages}
          </th>
          <th scope="col" class="number">
            {columns.bytes}
          </th>
          {may('admin') ? (
            <th scope="col">
              <span class="hidden">{columns.actions}</span>
            </th>
          ) : null}
        </tr>
      </thead>
      <tbody>
        {sessions.map((session) => (
          <tr key={session.id}>
            <th scope="row" data-label={columns.client}>
              <Client session={session} />
            </th>
            <td>
              <Standing session={session} />
            </td>
            <td>{session.wire === null ? null : (words.transports[session.wire] ?? session.wire)}</td>
            <td>{session.address === null ? null : <code>{session.address}</code>}</td>
            <td data-label={columns.filters} class="number">
              {count(session.subscriptions)}
            </td>
            <td data-label={columns.messages} class="number live">
              {count(session.queueMessages)}
            </td>
            <td data-label={columns.bytes} class="number live">
              {bytes(session.queueBytes)}
            </td>
            {may('admin') ? (
              <td class="actions">
                {session.wire === null ? null : (
                  <button type="button" aria-label={said.kickOf(session.id)} onClick={() => onKick(session.id)}>
                    {said.kick}
                  </button>
                )}
              </td>
            ) : null}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Client({ session: { id, device, owner } }: { session: Session }) {
  if (device === null)
    return (
      <>
        <code>{id}</code> <span class="quiet">{owner}</span>
      </>
    )
  return (
    <>
      <a href={devicePath(device)}>
        <code>{id}</code>
      </a>{' '}
      {device === id ? null : <span class="quiet">{device}</span>}
    </>
  )
}

function Standing({ session: { since, until, isSlow } }: { session: Session }) {
  if (since === null)
    return (
      <span class="state off ring">
        <i class="shape" />
        {until === null ? null : said.away(duration(until - now.value))}
      </span>
    )
  const time = words.presence.lasting(duration(now.value - since))
  return (
    <span class={isSlow ? 'state warn' : 'state ok'} title={exactTime(since)}>
      <i class="shape" />
      {isSlow ? said.slow(time) : said.connected(time)}
    </span>
  )
}

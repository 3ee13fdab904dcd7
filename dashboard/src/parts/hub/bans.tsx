// Addresses that are shut out because logins from them failed, and how to let one in again.
import { useSignal } from '@preact/signals'
import { type Ban, liftBan, loadBans } from '../../api/hub.ts'
import { Problem } from '../../api.ts'
import { ago, count, duration, exactTime } from '../../format.ts'
import { now } from '../../state.ts'
import { hubWords } from '../../words/hub.ts'
import { useReading } from '../device/reading.ts'
import { ProblemNotice } from '../notice.tsx'

const againMs = 10_000
/** Rows that are shown; the hub bounds the list itself. */
const shownMax = 200
const { bans: said } = hubWords

export function Bans() {
  const bans = useSignal<readonly Ban[] | null>(null)
  const refused = useSignal<Problem | null>(null)
  const reading = useReading('bans', againMs, async (abort) => {
    bans.value = await loadBans(abort)
  })
  const lift = async (address: string) => {
    refused.value = null
    try {
      await liftBan(address)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      refused.value = error
    }
    reading.again()
  }
  const wrong = refused.value ?? reading.problem.value
  const { columns } = said
  return (
    <section aria-label={said.title}>
      <h2>{said.title}</h2>
      {wrong === null ? null : <ProblemNotice problem={wrong} again={reading.again} />}
      {bans.value === null ? null : bans.value.length === 0 ? (
        <p class="empty">{said.none}</p>
      ) : (
        <table class="plain stacked" aria-label={said.table}>
          <thead>
            <tr>
              <th scope="col">{columns.address}</th>
              <th scope="col">{columns.since}</th>
              <th scope="col">{columns.until}</th>
              <th scope="col" class="number">
                {columns.failures}
              </th>
              <th scope="col" class="number">
                {columns.refused}
              </th>
              <th scope="col">
                <span class="hidden">{columns.actions}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {bans.value.slice(0, shownMax).map(({ address, since, until, failures, refused: times }) => (
              <tr key={address}>
                <th scope="row">
                  <code>{address}</code>
                </th>
                <td data-label={columns.since} title={exactTime(since)}>
                  {ago(since, now.value)}
                </td>
                <td data-label={columns.until} title={exactTime(until)}>
                  {duration(until - now.value)}
                </td>
                <td data-label={columns.failures} class="number">
                  {count(failures)}
                </td>
                <td data-label={columns.refused} class="number">
                  {count(times)}
                </td>
                <td class="actions">
                  <button type="button" aria-label={said.liftOf(address)} onClick={() => void lift(address)}>
                    {said.lift}
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

// Keys of programs: made with a secret that is shown once, and revoked.
import { useSignal } from '@preact/signals'
import { type Key, loadKeys, loadRoles, makeKey, type Role, revokeKey } from '../../api/settings.ts'
import { ago, date } from '../../format.ts'
import { hubNow, now } from '../../state.ts'
import { settingsWords } from '../../words/settings.ts'
import { Confirm } from '../confirm.tsx'
import { Field, Form } from '../form.tsx'
import { ProblemNotice } from '../notice.tsx'
import { useAsking } from './asking.ts'
import { Heads, RoleField, Secret, type Told } from './pieces.tsx'

const dayMs = 24 * 3_600_000
const { keys: said } = settingsWords

export function Keys() {
  const keys = useSignal<readonly Key[] | null>(null)
  const roles = useSignal<readonly Role[]>([])
  const told = useSignal<Told | null>(null)
  const revoked = useSignal<Key | null>(null)
  const { problem, reading } = useAsking('keys', async (abort) => {
    const [listed, known] = await Promise.all([loadKeys(abort), loadRoles(abort)])
    keys.value = listed
    roles.value = known
  })
  const of = revoked.value
  return (
    <section aria-label={settingsWords.names.keys}>
      <h2>{settingsWords.names.keys}</h2>
      <p class="quiet note">{said.lead}</p>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={reading.again} />}
      {keys.value === null ? null : keys.value.length === 0 ? (
        <p class="empty">{said.none}</p>
      ) : (
        <List
          keys={keys.value}
          onRevoke={(key) => {
            revoked.value = key
          }}
        />
      )}
      {keys.value === null ? null : told.value !== null ? (
        <Secret
          told={told.value}
          onKept={() => {
            told.value = null
          }}
        />
      ) : (
        <div class="make">
          <h3>{said.add}</h3>
          <Form
            submit={said.addDo}
            problems={{}}
            send={async (entry) => {
              const days = Number(entry('days'))
              const until = days > 0 ? { until: Math.round(hubNow() + days * dayMs) } : {}
              const { secret, of: owner } = await makeKey(entry('name').trim(), { role: entry('role'), label: entry('label'), ...until })
              told.value = { sentence: said.secret(owner.name), secret }
              reading.again()
            }}
          >
            <Field label={said.name} name="name" autocomplete="off" maxLength={64} />
            <RoleField roles={roles.value} standard="viewer" />
            <Field label={settingsWords.label} name="label" required={false} placeholder={settingsWords.labelHint} maxLength={64} />
            <Field label={said.days} name="days" type="number" min={1} required={false} placeholder={said.daysHint} />
          </Form>
        </div>
      )}
      {of === null ? null : (
        <Confirm
          title={said.revokeTitle(of.of.name)}
          says={said.revokeSays}
          text={of.of.name}
          submit={said.revokeDo}
          act={async () => {
            await revokeKey(of.id)
            reading.again()
          }}
          onClose={() => {
            revoked.value = null
          }}
        />
      )}
    </section>
  )
}

function List({ keys, onRevoke }: { keys: readonly Key[]; onRevoke: (key: Key) => void }) {
  const { columns } = said
  return (
    <table class="plain stacked" aria-label={said.table}>
      <Heads names={Object.values(columns)} />
      <tbody>
        {keys.map((key) => (
          <tr key={key.id}>
            <th scope="row">
              <b>{key.of.name}</b>
            </th>
            <td data-label={columns.kind}>{said.kinds[key.kind] ?? key.kind}</td>
            <td data-label={columns.role}>{key.role}</td>
            <td data-label={columns.label}>{key.label}</td>
            <td data-label={columns.until}>{key.until === null ? settingsWords.never : date(key.until)}</td>
            <td data-label={columns.used}>{ago(key.lastUsedAt, now.value)}</td>
            <td class="actions">
              <button type="button" aria-label={said.revokeOf(key.of.name)} onClick={() => onRevoke(key)}>
                {settingsWords.revoke}
              </button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

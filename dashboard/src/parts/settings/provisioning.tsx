// Provisioning keys: one for many devices, each of which gets a token of its own by it.
import { useSignal } from '@preact/signals'
import { loadProvisioning, loadRoles, makeProvisioning, type ProvisioningKey, type Role, revokeProvisioning } from '../../api/settings.ts'
import { count, date } from '../../format.ts'
import { settingsWords } from '../../words/settings.ts'
import { Confirm } from '../confirm.tsx'
import { Field, Form } from '../form.tsx'
import { ProblemNotice } from '../notice.tsx'
import { useAsking } from './asking.ts'
import { Heads, RoleField, Secret, type Told } from './pieces.tsx'

const { arrivals: said } = settingsWords

export function Provisioning() {
  const keys = useSignal<readonly ProvisioningKey[] | null>(null)
  const roles = useSignal<readonly Role[]>([])
  const told = useSignal<Told | null>(null)
  const revoked = useSignal<ProvisioningKey | null>(null)
  const { problem, reading } = useAsking('provisioning', async (abort) => {
    const [listed, known] = await Promise.all([loadProvisioning(abort), loadRoles(abort)])
    keys.value = listed
    roles.value = known
  })
  const of = revoked.value
  return (
    <section aria-label={said.keys}>
      <h2>{said.keys}</h2>
      <p class="quiet note">{said.keysLead}</p>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={reading.again} />}
      {keys.value === null ? null : keys.value.length === 0 ? (
        <p class="empty">{said.keysNone}</p>
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
            submit={settingsWords.keys.addDo}
            problems={{}}
            send={async (entry) => {
              const type = entry('type').trim()
              const { secret, pattern } = await makeProvisioning({
                pattern: entry('pattern').trim(),
                uses: Number(entry('uses')),
                role: entry('role'),
                label: entry('label'),
                ...(type === '' ? {} : { type }),
              })
              told.value = { sentence: settingsWords.keys.secret(pattern), secret }
              reading.again()
            }}
          >
            <Field label={said.pattern} name="pattern" autocomplete="off" placeholder={said.patternHint} maxLength={128} />
            <Field label={said.uses} name="uses" type="number" min={1} defaultValue="100" />
            <RoleField roles={roles.value} standard="device" />
            <Field label={said.type} name="type" required={false} autocomplete="off" maxLength={64} />
            <Field label={settingsWords.label} name="label" required={false} placeholder={settingsWords.labelHint} maxLength={64} />
          </Form>
        </div>
      )}
      {of === null ? null : (
        <Confirm
          title={said.revokeTitle(of.pattern)}
          says={said.revokeSays}
          text={of.pattern}
          submit={settingsWords.keys.revokeDo}
          act={async () => {
            await revokeProvisioning(of.id)
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

function List({ keys, onRevoke }: { keys: readonly ProvisioningKey[]; onRevoke: (key: ProvisioningKey) => void }) {
  const { columns } = said
  return (
    <table class="plain stacked" aria-label={said.table}>
      <Heads names={Object.values(columns)} />
      <tbody>
        {keys.map((key) => (
          <tr key={key.id}>
            <th scope="row">
              <code>{key.pattern}</code>
            </th>
            <td data-label={columns.registers}>{key.registers ? said.registers : said.known}</td>
            <td data-label={columns.type}>
              {[key.type, ...Object.entries(key.tags).map((tag) => tag.join('='))].filter(Boolean).join(' ')}
            </td>
            <td data-label={columns.role}>{key.role}</td>
            <td data-label={columns.left}>{count(key.usesLeft)}</td>
            <td data-label={columns.until}>{key.until === null ? settingsWords.never : date(key.until)}</td>
            <td data-label={columns.label}>{key.label}</td>
            <td class="actions">
              <button type="button" aria-label={said.revokeOf(key.pattern)} onClick={() => onRevoke(key)}>
                {settingsWords.revoke}
              </button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

// The users, a row each: the role is changed where it stands.
import type { Role, User, UserChange } from '../../api/settings.ts'
import { ago, count } from '../../format.ts'
import { viewer } from '../../me.ts'
import { now } from '../../state.ts'
import { settingsWords } from '../../words/settings.ts'
import { Heads } from './pieces.tsx'

const { users: said } = settingsWords

interface Props {
  readonly users: readonly User[]
  readonly roles: readonly Role[]
  readonly onChange: (name: string, change: UserChange) => void
  readonly onReset: (name: string) => void
  readonly onRemove: (name: string) => void
}

export function UserTable({ users, roles, onChange, onReset, onRemove }: Props) {
  const { columns } = said
  const { value } = viewer
  const mine = value.is === 'in' && value.me?.is === 'user' ? value.me.name : ''
  return (
    <table class="plain stacked" aria-label={said.table}>
      <Heads names={Object.values(columns)} />
      <tbody>
        {users.map(({ name, role, disabled, secondFactor, logins, lastLoginAt }) => (
          <tr key={name}>
            <th scope="row">
              <b>{name}</b> {name === mine ? <span class="quiet">{said.you}</span> : null}
            </th>
            <td data-label={columns.role}>
              <select
                aria-label={said.roleOf(name)}
                value={role}
                disabled={name === mine}
                onChange={(event) => onChange(name, { role: event.currentTarget.value })}
              >
                {roles.map((one) => (
                  <option key={one.name} value={one.name}>
                    {one.name}
                  </option>
                ))}
              </select>
            </td>
            <td>
              <span class={disabled ? 'state off ring' : 'state ok'}>
                <i class="shape" />
                {disabled ? said.disabled : said.active}
              </span>
            </td>
            <td data-label={columns.factor}>
              <span class={secondFactor ? 'state ok' : 'state off ring'}>
                <i class="shape" />
                {secondFactor ? said.on : said.off}
              </span>
            </td>
            <td data-label={columns.logins}>{count(logins)}</td>
            <td data-label={columns.last}>{ago(lastLoginAt, now.value)}</td>
            <td class="actions">
              {name === mine ? null : (
                <>
                  <button
                    type="button"
                    aria-label={disabled ? said.enableOf(name) : said.disableOf(name)}
                    onClick={() => onChange(name, { disabled: !disabled })}
                  >
                    {disabled ? said.enable : said.disable}
                  </button>
                  <button type="button" aria-label={said.resetOf(name)} onClick={() => onReset(name)}>
                    {said.reset}
                  </button>
                  <button type="button" aria-label={said.removeOf(name)} onClick={() => onRemove(name)}>
                    {settingsWords.remove}
                  </button>
                </>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

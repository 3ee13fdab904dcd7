// Roles: their rules as they are read, one below the other.
import { loadRoles, type Role } from '../../api/settings.ts'
import { settingsWords } from '../../words/settings.ts'
import { Documents, DocumentTools, type Tools } from './documents.tsx'

const { roles: said } = settingsWords
const example = [{ effect: 'allow', actions: ['subscribe'], filter: 'plants/north/#' }]

export function Roles() {
  return (
    <Documents
      kind="roles"
      title={settingsWords.names.roles}
      add={said.add}
      removeSays={said.removeSays}
      example={example}
      load={loadRoles}
      show={(roles, tools) => roles.map((role) => <One key={role.name} role={role} tools={tools} />)}
    />
  )
}

function One({ role: { name, rules, isBuiltIn }, tools }: { role: Role; tools: Tools }) {
  const { columns } = said
  return (
    <div class="document">
      <h3>
        {name} {isBuiltIn ? <span class="quiet">{said.builtIn}</span> : <DocumentTools name={name} body={rules} tools={tools} />}
      </h3>
      {rules.length === 0 ? (
        <p class="empty">{said.none}</p>
      ) : (
        <table class="plain rules" aria-label={said.table(name)}>
          <thead>
            <tr>
              <th scope="col">{columns.effect}</th>
              <th scope="col">{columns.actions}</th>
              <th scope="col">{columns.filter}</th>
            </tr>
          </thead>
          <tbody>
            {rules.map(({ effect, actions, filter }, at) => (
              <tr key={`${at} ${filter}`}>
                <td class={effect === 'deny' ? 'deny' : undefined}>{said.effects[effect] ?? effect}</td>
                <td>{actions.join(', ')}</td>
                <td>
                  <code>{filter}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  )
}

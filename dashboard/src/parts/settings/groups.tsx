// Groups of devices: a name and the question that chooses them.
import type { DeviceGroup } from '../../../../devices/device-group.ts'
import { loadGroups } from '../../api/settings.ts'
import { settingsWords } from '../../words/settings.ts'
import { Documents, DocumentTools, type Tools } from './documents.tsx'
import { Heads } from './pieces.tsx'

const { groups: said } = settingsWords
const example = { query: 'site=north type=pump', description: '' }

export function Groups() {
  return (
    <Documents
      kind="groups"
      title={settingsWords.names.groups}
      add={said.add}
      removeSays={said.removeSays}
      example={example}
      load={loadGroups}
      show={(groups, tools) => (groups.length === 0 ? <p class="empty">{said.none}</p> : <List groups={groups} tools={tools} />)}
    />
  )
}

function List({ groups, tools }: { groups: readonly DeviceGroup[]; tools: Tools }) {
  const { columns } = said
  return (
    <table class="plain stacked" aria-label={said.table}>
      <Heads names={Object.values(columns)} />
      <tbody>
        {groups.map(({ name, ...body }) => (
          <tr key={name}>
            <th scope="row">
              <b>{name}</b>
            </th>
            <td>
              <code>{body.query}</code>
            </td>
            <td class="quiet">{body.description}</td>
            <td class="actions">
              <DocumentTools name={name} body={body} tools={tools} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

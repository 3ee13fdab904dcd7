// Users: who may log in, what each may do, and how one is added, reset or removed.
import { useSignal } from '@preact/signals'
import { changeUser, loadRoles, loadUsers, makeUser, type Role, removeUser, type User } from '../../api/settings.ts'
import { settingsWords } from '../../words/settings.ts'
import { Confirm } from '../confirm.tsx'
import { Field, Form, NewPassword } from '../form.tsx'
import { ProblemNotice } from '../notice.tsx'
import { useAsking } from './asking.ts'
import { Advice, RoleField } from './pieces.tsx'
import { UserReset } from './user-reset.tsx'
import { UserTable } from './user-table.tsx'

const { users: said } = settingsWords

export function Users() {
  const users = useSignal<readonly User[] | null>(null)
  const roles = useSignal<readonly Role[]>([])
  const removed = useSignal('')
  const reset = useSignal('')
  const added = useSignal(0)
  const { problem, reading, ask } = useAsking('users', async (abort) => {
    const [listed, known] = await Promise.all([loadUsers(abort), loadRoles(abort)])
    users.value = listed
    roles.value = known
  })
  const list = users.value
  const resetting = list?.find(({ name }) => name === reset.value)
  return (
    <section aria-label={settingsWords.names.users}>
      <h2>{settingsWords.names.users}</h2>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={reading.again} />}
      {list === null ? null : list.length === 0 ? (
        <Advice sentence={said.none} line={said.line} />
      ) : (
        <UserTable
          users={list}
          roles={roles.value}
          onChange={(name, change) => void ask(() => changeUser(name, change))}
          onReset={(name) => {
            reset.value = name
          }}
          onRemove={(name) => {
            removed.value = name
          }}
        />
      )}
      {list === null ? null : (
        <div class="make" key={added.value}>
          <h3>{said.add}</h3>
          <Form
            submit={said.addDo}
            problems={{}}
            send={async (entry) => {
              await makeUser({ name: entry('name').trim(), role: entry('role'), password: entry('new-password') })
              added.value += 1
              reading.again()
            }}
          >
            <Field label={said.name} name="name" autocomplete="off" maxLength={64} />
            <RoleField roles={roles.value} standard={list.length === 0 ? 'admin' : 'viewer'} />
            <NewPassword label={said.password} />
          </Form>
        </div>
      )}
      {resetting === undefined ? null : (
        <UserReset
          user={resetting}
          onDone={reading.again}
          onClose={() => {
            reset.value = ''
          }}
        />
      )}
      {removed.value === '' ? null : (
        <Confirm
          title={said.removeTitle(removed.value)}
          says={said.removeSays}
          text={removed.value}
          submit={said.removeDo}
          act={async () => {
            await removeUser(removed.value)
            reading.again()
          }}
          onClose={() => {
            removed.value = ''
          }}
        />
      )}
    </section>
  )
}

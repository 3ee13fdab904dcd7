// Small pieces of the settings: the choice of a role, a secret that is shown once, a line to paste, a heading of a column without words.
import type { Role } from '../../api/settings.ts'
import { settingsWords } from '../../words/settings.ts'
import { CopyButton } from '../copy.tsx'

export function RoleField({ roles, standard }: { roles: readonly Role[]; standard: string }) {
  return (
    <label>
      {settingsWords.role}
      <select name="role">
        {roles.map(({ name }) => (
          <option key={name} value={name} selected={name === standard}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}

export interface Told {
  readonly sentence: string
  readonly secret: string
}

export function Secret({ told, onKept }: { told: Told; onKept: () => void }) {
  return (
    <div class="secret" role="status">
      <p>{told.sentence}</p>
      <p>
        <code>{told.secret}</code> <CopyButton text={told.secret} what={settingsWords.keys.secretName} />
        <button type="button" onClick={onKept}>
          {settingsWords.kept}
        </button>
      </p>
    </div>
  )
}

export function Advice({ sentence, line }: { sentence: string; line: string }) {
  return (
    <div class="advice">
      <p class="quiet">{sentence}</p>
      <p>
        <code>{line}</code> <CopyButton text={line} what={line} />
      </p>
    </div>
  )
}

export function Heads({ names }: { names: readonly string[] }) {
  return (
    <thead>
      <tr>
        {names.map((name) => (
          <th key={name} scope="col">
            {name}
          </th>
        ))}
        <th scope="col">
          <span class="hidden">{settingsWords.actions}</span>
        </th>
      </tr>
    </thead>
  )
}

// Settings: who may come in and do what, what devices have in common, what is kept. One section at a time; which one stands in the address.
import { useEffect } from 'preact/hooks'
import { viewer } from '../me.ts'
import { Storage } from '../parts/hub/storage.tsx'
import { Certificates } from '../parts/settings/certificates.tsx'
import { Claims } from '../parts/settings/claims.tsx'
import { Types } from '../parts/settings/device-types.tsx'
import { Groups } from '../parts/settings/groups.tsx'
import { Keys } from '../parts/settings/keys.tsx'
import { Advice } from '../parts/settings/pieces.tsx'
import { Provisioning } from '../parts/settings/provisioning.tsx'
import { Roles } from '../parts/settings/roles.tsx'
import { Users } from '../parts/settings/users.tsx'
import { query } from '../router.ts'
import { watch } from '../state.ts'
import { settingsWords } from '../words/settings.ts'

type SectionName = keyof typeof settingsWords.names

const sectionNames = Object.keys(settingsWords.names) as SectionName[]

export function SettingsPage() {
  useEffect(() => watch([]), [])
  const asked = query.value.get('section') as SectionName
  const shown = sectionNames.includes(asked) ? asked : 'users'
  const { value } = viewer
  return (
    <div class="settings">
      <div class="head">
        <h1>{settingsWords.title}</h1>
      </div>
      <nav class="sections" aria-label={settingsWords.sections}>
        {sectionNames.map((name) => (
          <a key={name} href={`/settings?section=${name}`} aria-current={name === shown ? 'page' : undefined}>
            {settingsWords.names[name]}
          </a>
        ))}
      </nav>
      {value.is === 'in' && value.me?.is === 'anonymous' ? (
        <div class="unsafe">
          <i class="shape warn" />
          <Advice sentence={settingsWords.open} line={settingsWords.openLine} />
        </div>
      ) : null}
      <Section name={shown} />
    </div>
  )
}

function Section({ name }: { name: SectionName }) {
  switch (name) {
    case 'users':
      return <Users />
    case 'keys':
      return <Keys />
    case 'arrivals':
      return (
        <>
          <Claims />
          <Provisioning />
        </>
      )
    case 'roles':
      return <Roles />
    case 'types':
      return <Types />
    case 'groups':
      return <Groups />
    case 'certificates':
      return <Certificates />
    case 'storage':
      return <Storage withKeep />
  }
}

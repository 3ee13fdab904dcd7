// By what the device comes in: made here with a secret that is shown once, and revoked here. For admins.
import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { type Credential, loadCredentials, makeCredential, revokeCredential } from '../../api/twin.ts'
import { Problem } from '../../api.ts'
import { ago, dateTime, exactTime } from '../../format.ts'
import { now } from '../../state.ts'
import { twinWords } from '../../words/twin.ts'
import { CopyButton } from '../copy.tsx'
import { ProblemNotice } from '../notice.tsx'
import { Confirm } from './confirm.tsx'
import { useReading } from './reading.ts'

/** When it was last used is told no faster. */
const againMs = 15_000
const { credentials: said } = twinWords

export function CredentialsSection({ deviceId }: { deviceId: string }) {
  const credentials = useSignal<readonly Credential[] | null>(null)
  const secret = useSignal('')
  const revoked = useSignal<Credential | null>(null)
  const problem = useSignal<Problem | null>(null)
  const label = useRef<HTMLInputElement>(null)
  const reading = useReading(deviceId, againMs, async (abort) => {
    credentials.value = await loadCredentials(deviceId, abort)
  })
  const ask = async (what: () => Promise<unknown>) => {
    problem.value = null
    try {
      await what()
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problem.value = error
    }
    reading.again()
  }
  const make = (event: Event) => {
    event.preventDefault()
    void ask(async () => {
      secret.value = (await makeCredential(deviceId, label.current!.value.trim())).secret
      if (label.current !== null) label.current.value = ''
    })
  }
  const wrong = problem.value ?? reading.problem.value
  const list = credentials.value
  const of = revoked.value
  return (
    <section class="credentials" aria-labelledby="credentials">
      <h2 id="credentials">{said.title}</h2>
      {wrong === null ? null : <ProblemNotice problem={wrong} again={reading.again} />}
      {list === null ? null : list.length === 0 ? (
        <p class="empty">{said.none}</p>
      ) : (
        <List
          credentials={list}
          onRevoke={(credential) => {
            revoked.value = credential
          }}
        />
      )}
      <div class="below">
        {of === null ? null : (
          <Confirm
            name={deviceId}
            sentence={said.revokeSays(kindOf(of), of.label || of.name || of.id)}
            submit={said.revokeDo}
            onConfirm={() => {
              revoked.value = null
              void ask(() => revokeCredential(of.id))
            }}
            onEnd={() => {
              revoked.value = null
            }}
          />
        )}
        {secret.value === '' ? (
          <form class="leaf" onSubmit={make}>
            <input ref={label} aria-label={said.label} placeholder={said.labelHint} maxLength={64} autocomplete="off" />
            <button type="submit">{said.make}</button>
          </form>
        ) : (
          <Secret
            secret={secret.value}
            onKept={() => {
              secret.value = ''
            }}
          />
        )}
      </div>
    </section>
  )
}

function Secret({ secret, onKept }: { secret: string; onKept: () => void }) {
  return (
    <div class="secret" role="status">
      <span>{said.secret}</span> <code>{secret}</code> <CopyButton text={secret} what={said.secretName} />
      <button type="button" onClick={onKept}>
        {said.kept}
      </button>
    </div>
  )
}

function List({ credentials, onRevoke }: { credentials: readonly Credential[]; onRevoke: (credential: Credential) => void }) {
  const { columns } = said
  return (
    <table class="plain keys" aria-label={said.table}>
      <thead>
        <tr>
          <th scope="col">{columns.kind}</th>
          <th scope="col">{columns.label}</th>
          <th scope="col">{columns.role}</th>
          <th scope="col">{columns.made}</th>
          <th scope="col">{columns.used}</th>
          <th scope="col">
            <span class="hidden">{columns.actions}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {credentials.map((credential) => (
          <tr key={credential.id}>
            <td data-label={columns.kind}>{kindOf(credential)}</td>
            <th scope="row" data-label={columns.label}>
              {credential.label || credential.name || <code>{credential.id}</code>}
            </th>
            <td data-label={columns.role}>{credential.role}</td>
            <td data-label={columns.made} title={exactTime(credential.createdAt)}>
              {ago(credential.createdAt, now.value)}
              {credential.until === null ? null : <span class="quiet"> {said.until(dateTime(credential.until))}</span>}
            </td>
            <td data-label={columns.used}>{ago(credential.lastUsedAt, now.value)}</td>
            <td class="actions">
              <button type="button" aria-label={said.revokeOf(credential.label || credential.id)} onClick={() => onRevoke(credential)}>
                {said.revoke}
              </button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function kindOf({ kind }: Credential): string {
  return said.kinds[kind] ?? kind
}

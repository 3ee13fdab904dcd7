// The hub's own CA, which devices trust, and the certificates by which devices and programs come in.
import { useSignal } from '@preact/signals'
import { type Authority, type Certificate, loadAuthority, loadCertificates, revokeKey } from '../../api/settings.ts'
import { Problem } from '../../api.ts'
import { ago, date } from '../../format.ts'
import { now } from '../../state.ts'
import { settingsWords } from '../../words/settings.ts'
import { Confirm } from '../confirm.tsx'
import { CopyButton } from '../copy.tsx'
import { ProblemNotice } from '../notice.tsx'
import { useAsking } from './asking.ts'
import { CertificateMaker } from './certificate-maker.tsx'
import { Heads } from './pieces.tsx'

const { certificates: said } = settingsWords

export function Certificates() {
  const authority = useSignal<Authority | null>(null)
  /** Why there is none. */
  const without = useSignal('')
  const listed = useSignal<{ readonly certificates: readonly Certificate[]; readonly next: string | null } | null>(null)
  const revoked = useSignal<Certificate | null>(null)
  const { problem, reading } = useAsking('certificates', async (abort) => {
    listed.value = await loadCertificates(abort)
    try {
      authority.value = await loadAuthority(abort)
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'ca-unavailable') throw error
      without.value = error.message
    }
  })
  const of = revoked.value
  return (
    <>
      <section aria-label={said.authority}>
        <h2>{said.authority}</h2>
        {problem.value === null ? null : <ProblemNotice problem={problem.value} again={reading.again} />}
        {authority.value !== null ? <Facts authority={authority.value} /> : <p class="empty">{without}</p>}
      </section>
      <section aria-label={said.list}>
        <h2>{said.list}</h2>
        {listed.value === null ? null : listed.value.certificates.length === 0 ? (
          <p class="empty">{said.none}</p>
        ) : (
          <List
            certificates={listed.value.certificates}
            onRevoke={(one) => {
              revoked.value = one
            }}
          />
        )}
        {listed.value?.next == null ? null : <p class="quiet note">{said.more}</p>}
        {authority.value === null ? null : <CertificateMaker onMade={reading.again} />}
      </section>
      {of === null ? null : (
        <Confirm
          title={said.revokeTitle(of.of.name)}
          says={settingsWords.keys.revokeSays}
          text={of.of.name}
          submit={settingsWords.keys.revokeDo}
          act={async () => {
            await revokeKey(of.id)
            reading.again()
          }}
          onClose={() => {
            revoked.value = null
          }}
        />
      )}
    </>
  )
}

function Facts({ authority: { subject, fingerprint, until, certificate } }: { authority: Authority }) {
  const { facts } = said
  return (
    <>
      <dl class="amounts">
        <div>
          <dt>{facts.subject}</dt>
          <dd>{subject}</dd>
        </div>
        <div>
          <dt>{facts.until}</dt>
          <dd>{date(until)}</dd>
        </div>
        <div>
          <dt>{facts.fingerprint}</dt>
          <dd>
            <code class="fingerprint">{fingerprint}</code> <CopyButton text={fingerprint} what={said.fingerprintName} />
          </dd>
        </div>
      </dl>
      <p class="tools">
        <a class="button" download="mooring-ca.pem" href={`data:application/x-pem-file,${encodeURIComponent(certificate)}`}>
          {said.download}
        </a>
      </p>
    </>
  )
}

function List({ certificates, onRevoke }: { certificates: readonly Certificate[]; onRevoke: (one: Certificate) => void }) {
  const { columns } = said
  return (
    <table class="plain stacked" aria-label={said.table}>
      <Heads names={Object.values(columns)} />
      <tbody>
        {certificates.map((one) => (
          <tr key={one.id}>
            <th scope="row">
              <b>{one.of.name}</b> <span class="quiet">{one.label}</span>
            </th>
            <td>
              <code title={one.fingerprint}>{`${one.fingerprint.slice(0, 23)}…`}</code>
            </td>
            <td data-label={columns.role}>{one.role}</td>
            <td data-label={columns.until}>{one.until === null ? settingsWords.never : date(one.until)}</td>
            <td data-label={columns.used}>{ago(one.lastUsedAt, now.value)}</td>
            <td class="actions">
              <button type="button" aria-label={said.revokeOf(one.of.name)} onClick={() => onRevoke(one)}>
                {settingsWords.revoke}
              </button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

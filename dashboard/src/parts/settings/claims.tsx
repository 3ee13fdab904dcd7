// Devices without any secret that wait for somebody who sees the code that they show.
import { useSignal } from '@preact/signals'
import { acceptClaim, type Claim, loadClaims, refuseClaim } from '../../api/settings.ts'
import { duration } from '../../format.ts'
import { now } from '../../state.ts'
import { settingsWords } from '../../words/settings.ts'
import { Confirm } from '../confirm.tsx'
import { ProblemNotice } from '../notice.tsx'
import { useAsking } from './asking.ts'
import { Advice, Heads } from './pieces.tsx'

/** Somebody stands beside the device and waits. */
const againMs = 3_000
const { arrivals: said } = settingsWords

export function Claims() {
  const claims = useSignal<readonly Claim[] | null>(null)
  const accepted = useSignal<Claim | null>(null)
  const { problem, reading, ask } = useAsking(
    'claims',
    async (abort) => {
      claims.value = await loadClaims(abort)
    },
    againMs,
  )
  const of = accepted.value
  return (
    <section aria-label={said.claims}>
      <h2>{said.claims}</h2>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={reading.again} />}
      {claims.value === null ? null : claims.value.length === 0 ? (
        <Advice sentence={said.claimsNone} line={said.claimsLine} />
      ) : (
        <List
          claims={claims.value}
          onAccept={(claim) => {
            accepted.value = claim
          }}
          onRefuse={(claim) => void ask(() => refuseClaim(claim))}
        />
      )}
      {of === null ? null : (
        <Confirm
          title={said.acceptTitle(of.device)}
          says={said.acceptSays}
          text={of.claim}
          submit={said.acceptDo}
          act={async () => {
            await acceptClaim(of.claim)
            reading.again()
          }}
          onClose={() => {
            accepted.value = null
          }}
        />
      )}
    </section>
  )
}

interface ListProps {
  readonly claims: readonly Claim[]
  readonly onAccept: (claim: Claim) => void
  readonly onRefuse: (claim: string) => void
}

function List({ claims, onAccept, onRefuse }: ListProps) {
  const { claimColumns: columns } = said
  const { actions: _, ...names } = columns
  return (
    <table class="plain stacked" aria-label={said.claimsTable}>
      <Heads names={Object.values(names)} />
      <tbody>
        {claims.map((claim) => (
          <tr key={claim.claim}>
            <th scope="row">
              <code>{claim.claim}</code>
            </th>
            <td data-label={columns.device}>{claim.device}</td>
            <td data-label={columns.address}>
              <code>{claim.address}</code>
            </td>
            <td data-label={columns.since}>{duration(now.value - claim.since)}</td>
            <td data-label={columns.until}>{duration(claim.until - now.value)}</td>
            <td class="actions">
              {claim.accepted ? (
                <span class="quiet">{said.accepted}</span>
              ) : (
                <>
                  <button type="button" aria-label={said.acceptOf(claim.device)} onClick={() => onAccept(claim)}>
                    {said.accept}
                  </button>
                  <button type="button" aria-label={said.refuseOf(claim.device)} onClick={() => onRefuse(claim.claim)}>
                    {said.refuse}
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

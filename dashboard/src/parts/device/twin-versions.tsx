// The history of a twin: what each version changed, and how one of them differs from now.
import { useSignal } from '@preact/signals'
import { loadTwin, loadVersions, type Twin, type TwinVersion } from '../../api/twin.ts'
import { Problem } from '../../api.ts'
import { ago, count, exactTime } from '../../format.ts'
import { now } from '../../state.ts'
import { twinWords } from '../../words/twin.ts'
import { ProblemNotice } from '../notice.tsx'
import { at, isSame, keyOf, leafText, leavesOf } from './leaves.ts'
import { changesText } from './marks.ts'
import { useReading } from './reading.ts'

/** The hub keeps more; what an operator asks is what happened lately. */
const versionsMax = 50
const againMs = 60_000

export function Versions({ deviceId, twin }: { deviceId: string; twin: Twin }) {
  const isOpen = useSignal(false)
  return (
    <details
      class="versions"
      onToggle={(event) => {
        isOpen.value = event.currentTarget.open
      }}
    >
      <summary>{twinWords.twin.versions}</summary>
      {isOpen.value ? <List deviceId={deviceId} twin={twin} /> : null}
    </details>
  )
}

function List({ deviceId, twin }: { deviceId: string; twin: Twin }) {
  const versions = useSignal<readonly TwinVersion[]>([])
  const past = useSignal<Twin | null>(null)
  const problem = useSignal<Problem | null>(null)
  const reading = useReading(`${deviceId} ${twin.twin} ${twin.version}`, againMs, async (abort) => {
    versions.value = await loadVersions(deviceId, twin.twin, versionsMax, abort)
  })
  const show = async (version: TwinVersion) => {
    try {
      past.value = await loadTwin(deviceId, twin.twin, undefined, version.at)
      problem.value = null
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problem.value = error
    }
  }
  const wrong = reading.problem.value ?? problem.value
  const { versionColumns: columns } = twinWords.twin
  return (
    <>
      {wrong === null ? null : <ProblemNotice problem={wrong} again={reading.again} />}
      {past.value === null ? null : (
        <Past
          past={past.value}
          now={twin}
          onClose={() => {
            past.value = null
          }}
        />
      )}
      <table class="plain" aria-label={twinWords.twin.versionsTable}>
        <thead>
          <tr>
            <th scope="col" class="number">
              {columns.version}
            </th>
            <th scope="col">{columns.at}</th>
            <th scope="col">{columns.by}</th>
            <th scope="col">{columns.change}</th>
          </tr>
        </thead>
        <tbody>
          {versions.value.map((version) => (
            <tr key={version.version}>
              <td class="number">
                <button
                  type="button"
                  class="link"
                  aria-label={twinWords.twin.show(count(version.version))}
                  aria-pressed={past.value?.version === version.version}
                  onClick={() => show(version)}
                >
                  {count(version.version)}
                </button>
              </td>
              <td>
                <time title={exactTime(version.at)}>{ago(version.at, now.value)}</time>
              </td>
              <td>{version.by ?? twinWords.twin.device}</td>
              <td class="change">
                <span class="quiet">{version.part === 'desired' ? twinWords.twin.desires : twinWords.twin.reports}</span>{' '}
                {changesText(version.patch)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}

/** All that stood there then, beside what stands there now; what differs bears a sign. */
function Past({ past, now: present, onClose }: { past: Twin; now: Twin; onClose: () => void }) {
  const { twin: said } = twinWords
  const rows = (['desired', 'reported'] as const).flatMap((part) => {
    const paths = new Map([...leavesOf(past[part]), ...leavesOf(present[part])].map(({ path }) => [keyOf(path), path]))
    return [...paths].map(([key, path]) => ({ key: `${part} ${key}`, part, path, was: at(past[part], path), is: at(present[part], path) }))
  })
  const differ = rows.filter(({ was, is }) => !isSame(was, is)).length
  const text = (value: unknown) => (value === undefined ? said.absent : leafText(value))
  return (
    <section class="past" aria-labelledby="past">
      <div class="line">
        <h3 id="past">{said.thenTitle(count(past.version), exactTime(past.at))}</h3>
        <button type="button" onClick={onClose}>
          {said.close}
        </button>
      </div>
      {differ === 0 ? <p class="empty">{said.thenSame}</p> : null}
      <table class="plain tree" aria-labelledby="past">
        <thead>
          <tr>
            <th scope="col">{said.thenColumns.path}</th>
            <th scope="col">{said.thenColumns.part}</th>
            <th scope="col">{said.thenColumns.was}</th>
            <th scope="col">{said.thenColumns.now}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, part, path, was, is }) => (
            <tr key={key} class={isSame(was, is) ? 'same' : 'differs'}>
              <th scope="row">{path.join('.')}</th>
              <td class="quiet">{said.parts[part]}</td>
              <td>{text(was)}</td>
              <td>
                {text(is)}{' '}
                {isSame(was, is) ? null : (
                  <span class="is">
                    <b aria-hidden="true">≠</b> {said.changed}
                  </span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

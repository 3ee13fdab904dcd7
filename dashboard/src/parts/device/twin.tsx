// The twin: what is desired beside what is reported, leaf by leaf. It is read again when a message of its state goes by.
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { loadTwin, loadTwins, mainTwin, type Twin, type TwinListed } from '../../api/twin.ts'
import { count } from '../../format.ts'
import { may } from '../../me.ts'
import { twinWords } from '../../words/twin.ts'
import { CopyButton } from '../copy.tsx'
import { ProblemNotice } from '../notice.tsx'
import { AddLeaf } from './leaf-form.tsx'
import { compared } from './leaves.ts'
import { useReading } from './reading.ts'
import type { Tail } from './tail.ts'
import { TwinTree } from './twin-tree.tsx'
import { Versions } from './twin-versions.tsx'

/** When nothing tells of a change: what an operator desires goes by in no message. */
const againMs = 5_000

export function TwinSection({ deviceId, tail }: { deviceId: string; tail: Tail }) {
  const chosen = useSignal(mainTwin)
  const listed = useSignal<readonly TwinListed[]>([])
  const twin = useSignal<Twin | null>(null)
  const reading = useReading(`${deviceId} ${chosen.value}`, againMs, async (abort) => {
    const [found, list] = await Promise.all([loadTwin(deviceId, chosen.peek(), abort), loadTwins(deviceId, abort)])
    listed.value = list
    if (twin.peek()?.version !== found.version || twin.peek()?.twin !== found.twin) twin.value = found
  })
  useEffect(() => tail.onMessage((topic) => topic.startsWith(`devices/${deviceId}/state/`) && reading.again()), [tail])

  const shown = twin.value?.twin === chosen.value ? twin.value : null
  const rows = shown === null ? [] : compared(shown.desired, shown.reported)
  const open = rows.filter(({ is }) => is === 'differs' || is === 'missing').length
  const isWritable = may('command')
  const take = (changed: Twin) => {
    twin.value = changed
    reading.again()
  }
  return (
    <section class="twin" aria-labelledby="twin">
      <h2 id="twin">
        {twinWords.title}{' '}
        {shown === null || rows.length === 0 ? null : (
          <span class="quiet">
            {twinWords.twin.version(count(shown.version))} · {open === 0 ? twinWords.twin.settled : twinWords.twin.differs(count(open))}
          </span>
        )}
      </h2>
      <Tabs listed={listed.value} chosen={chosen} />
      {reading.problem.value === null ? null : <ProblemNotice problem={reading.problem.value} again={reading.again} />}
      {shown === null ? null : rows.length === 0 ? (
        <Empty deviceId={deviceId} twin={shown.twin} />
      ) : (
        <TwinTree key={shown.twin} deviceId={deviceId} twin={shown} rows={rows} isWritable={isWritable} onChanged={take} />
      )}
      {shown === null ? null : (
        <div class="below">
          {isWritable ? <AddLeaf key={shown.twin} deviceId={deviceId} twin={shown} onChanged={take} /> : null}
          {shown.version === 0 ? null : <Versions key={shown.twin} deviceId={deviceId} twin={shown} />}
        </div>
      )}
    </section>
  )
}

/** None where there is only the one that every device has. */
function Tabs({ listed, chosen }: { listed: readonly TwinListed[]; chosen: { value: string } }) {
  const names = [mainTwin, ...listed.map(({ twin }) => twin).filter((name) => name !== mainTwin)]
  if (names.length === 1) return null
  return (
    <fieldset class="choice tabs">
      <legend class="hidden">{twinWords.twin.tabs}</legend>
      {names.map((name) => (
        <button
          key={name}
          type="button"
          aria-pressed={name === chosen.value}
          onClick={() => {
            chosen.value = name
          }}
        >
          {name}
          {listed.find(({ twin }) => twin === name)?.isSettled === false ? <b title={twinWords.twin.is.differs}> ≠</b> : null}
        </button>
      ))}
    </fieldset>
  )
}

function Empty({ deviceId, twin }: { deviceId: string; twin: string }) {
  const path = twin === mainTwin ? 'state' : `state/${twin}`
  const line = `curl -d '{"mode":"auto"}' ${location.origin}/v1/devices/${deviceId}/${path}/reported`
  return (
    <div class="empty paste-line">
      <p>{twinWords.twin.empty}</p>
      <code>{line}</code> <CopyButton text={line} what={twinWords.title} />
    </div>
  )
}

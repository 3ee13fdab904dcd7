// Hub: for whoever looks after it. What flows now, who waits, what is stored, what was refused and why, and who did what.
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { loadSessions, type SessionList, sessionsMax } from '../api/hub.ts'
import { type Hub, loadHub } from '../api.ts'
import { may } from '../me.ts'
import { useReading } from '../parts/device/reading.ts'
import { Audit } from '../parts/hub/audit.tsx'
import { Bans } from '../parts/hub/bans.tsx'
import { Drops, Refusals } from '../parts/hub/counted.tsx'
import { Extensions } from '../parts/hub/extensions.tsx'
import { Now } from '../parts/hub/figures.tsx'
import { Limits } from '../parts/hub/limit-table.tsx'
import { Sessions } from '../parts/hub/sessions.tsx'
import { Standing } from '../parts/hub/standing.tsx'
import { Storage } from '../parts/hub/storage.tsx'
import { ProblemNotice } from '../parts/notice.tsx'
import { figures, watch } from '../state.ts'
import { hubWords } from '../words/hub.ts'
import { words } from '../words.ts'

/** Refusals, drops, sessions and the use of limits are not in the live figures. */
const againMs = 3_000

export function HubPage() {
  const hub = useSignal<Hub | null>(null)
  const sessions = useSignal<SessionList | null>(null)
  const reading = useReading('hub', againMs, async (abort) => {
    const [heard, listed] = await Promise.all([loadHub(abort), loadSessions(sessionsMax, abort)])
    hub.value = heard
    sessions.value = listed
    figures.value ??= heard.figures
  })

  useEffect(() => watch([]), [])

  return (
    <div class="hub-page">
      <div class="head">
        <h1>{words.hub.title}</h1>
        {hub.value === null ? null : <Standing hub={hub.value} />}
      </div>
      {reading.problem.value === null ? null : <ProblemNotice problem={reading.problem.value} again={reading.again} />}
      {hub.value === null ? null : (
        <>
          <Jumps />
          <Now wires={sessions.value?.wires ?? null} />
          {sessions.value === null ? null : <Sessions list={sessions.value} onChanged={reading.again} />}
          <Storage />
          <Refusals refusals={hub.value.refusals} />
          <Drops drops={hub.value.drops} />
          {may('admin') ? <Bans /> : null}
          <Extensions />
          {may('admin') ? <Audit /> : null}
          <Limits limits={hub.value.limits} />
        </>
      )}
    </div>
  )
}

/** To the sections of a long page, by their names. */
function Jumps() {
  const names = [
    hubWords.sessions.title,
    hubWords.store.title,
    words.hub.refusals,
    ...(may('admin') ? [hubWords.bans.title] : []),
    hubWords.extensions.title,
    ...(may('admin') ? [hubWords.audit.title] : []),
    words.hub.limits,
  ]
  return (
    <nav class="jumps" aria-label={hubWords.jumps}>
      {names.map((name) => (
        <button key={name} type="button" class="link" onClick={() => jumpTo(name)}>
          {name}
        </button>
      ))}
    </nav>
  )
}

function jumpTo(name: string): void {
  const section = document.querySelector<HTMLElement>(`.hub-page section[aria-label="${CSS.escape(name)}"]`)
  if (section === null) return
  section.tabIndex = -1 // Tab goes on from here
  section.focus({ preventScroll: true })
  section.scrollIntoView()
}

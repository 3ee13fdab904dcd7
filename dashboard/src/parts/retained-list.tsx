// What is retained on a filter: a page after another, and clearing it.
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { clearRetained, loadRetained, type RetainedMessage } from '../api/messages.ts'
import { Problem } from '../api.ts'
import { ago, bytes, count, exactTime } from '../format.ts'
import { may } from '../me.ts'
import { type Heard, heardOf, lineOf } from '../message.ts'
import { epoch, now, waitFor } from '../state.ts'
import { messagesWords } from '../words/messages.ts'
import { Confirm } from './confirm.tsx'
import { topicPath } from './message-list.tsx'
import { ProblemNotice } from './notice.tsx'

/** Rows of one page; there are as many pages as somebody asks for, up to what a page can hold well. */
const pageRows = 200
const rowsMax = 2_000
const { kept: says } = messagesWords

export function RetainedList({ filter, onOpen }: { filter: string; onOpen: (heard: Heard) => void }) {
  const messages = useSignal<readonly RetainedMessage[] | null>(null)
  const next = useSignal<string | null>(null)
  const problem = useSignal<Problem | null>(null)
  const tries = useSignal(0)
  const asking = useSignal(false)
  const done = useSignal('')

  const read = async (after: string | undefined, signal: AbortSignal) => {
    try {
      const page = await waitFor(loadRetained(filter, after, pageRows, signal))
      messages.value = after === undefined ? page.messages : [...(messages.peek() ?? []), ...page.messages]
      next.value = page.next
      problem.value = null
    } catch (error) {
      if (error instanceof Problem) problem.value = error
      else if (!signal.aborted) throw error
    }
  }
  useEffect(() => {
    if (epoch.value === 0) return
    const abort = new AbortController()
    void read(undefined, abort.signal)
    return () => abort.abort()
  }, [filter, epoch.value, tries.value])

  const clear = async (topics: readonly string[]) => {
    for (const topic of topics) await clearRetained(topic)
    done.value = says.cleared(count(topics.length))
    tries.value++
  }

  if (problem.value !== null) return <ProblemNotice problem={problem.value} again={() => tries.value++} />
  const rows = messages.value
  if (rows === null) return <div class="pane" />
  if (rows.length === 0) return <p class="empty">{says.none(filter)}</p>
  return (
    <div class="pane kept">
      <div class="tools spread">
        <p class="quiet" role="status">
          {says.count(rows.length, count(rows.length), next.value !== null)} {done.value}
        </p>
        {may('publish') && rows.length > 1 ? (
          <button
            type="button"
            onClick={() => {
              asking.value = true
            }}
          >
            {says.clearAll(count(rows.length))}
          </button>
        ) : null}
      </div>
      <table class="plain" aria-label={says.label}>
        <thead>
          <tr>
            <th scope="col">{says.columns.topic}</th>
            <th scope="col">{says.columns.payload}</th>
            <th scope="col" class="number">
              {says.columns.qos}
            </th>
            <th scope="col" class="number">
              {says.columns.bytes}
            </th>
            <th scope="col" class="number">
              {says.columns.at}
            </th>
            {may('publish') ? <th aria-label={says.clear} /> : null}
          </tr>
        </thead>
        <tbody>
          {rows.map((message, i) => (
            <Row
              key={message.topic}
              heard={heardOf(message, -1 - i)}
              onOpen={onOpen}
              onClear={(topic) => void clear([topic]).catch(noted)}
            />
          ))}
        </tbody>
      </table>
      {next.value === null || rows.length >= rowsMax ? null : (
        <button type="button" onClick={() => void read(next.peek() ?? undefined, AbortSignal.timeout(15_000))}>
          {says.more}
        </button>
      )}
      {asking.value ? (
        <Confirm
          title={says.title}
          says={says.ask(count(rows.length), filter)}
          text={String(rows.length)}
          submit={says.clear}
          act={() => clear(rows.map(({ topic }) => topic))}
          onClose={() => {
            asking.value = false
          }}
        />
      ) : null}
    </div>
  )

  function noted(error: unknown): void {
    if (!(error instanceof Problem)) throw error
    problem.value = error
  }
}

function Row({ heard, onOpen, onClear }: { heard: Heard; onOpen: (heard: Heard) => void; onClear: (topic: string) => void }) {
  return (
    <tr>
      <th scope="row">
        <a href={topicPath(heard.topic)}>
          <code>{heard.topic}</code>
        </a>
      </th>
      <td class="payload">
        <button type="button" class="link" onClick={() => onOpen(heard)}>
          {lineOf(heard, 120)}
        </button>
      </td>
      <td class="number">{heard.qos}</td>
      <td class="number">{bytes(heard.bytes)}</td>
      <td class="number" title={exactTime(heard.at)}>
        {ago(heard.at, now.value)}
      </td>
      {may('publish') ? (
        <td class="number">
          <button type="button" aria-label={says.clearOne(heard.topic)} onClick={() => onClear(heard.topic)}>
            {says.clear}
          </button>
        </td>
      ) : null}
    </tr>
  )
}

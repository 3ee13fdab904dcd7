// The messages of the tail as a table; only the rows on screen exist.
import { useRef } from 'preact/hooks'
import { bytes, clockTime } from '../format.ts'
import { type Heard, lineOf } from '../message.ts'
import { messagesWords } from '../words/messages.ts'
import { usePaneKeys, usePaneSpan, useSteady } from './pane.ts'
import { useMedia } from './window.ts'

const rowPx = 28
const phoneRowPx = 52
const headPx = 28
const { list } = messagesWords

interface Props {
  readonly messages: readonly Heard[]
  readonly chosen: readonly (number | undefined)[]
  readonly isRetained: (heard: Heard) => boolean
  /** `compare`: it was chosen beside the one that is open. */
  readonly onOpen: (heard: Heard, compare: boolean) => void
}

export function topicPath(filter: string): string {
  return `/messages?${new URLSearchParams({ filter })}`
}

export function MessageList({ messages, chosen, isRetained, onOpen }: Props) {
  const pane = useRef<HTMLDivElement>(null)
  const heightPx = useMedia('(max-width: 640px)') ? phoneRowPx : rowPx
  const span = usePaneSpan(pane, messages.length, heightPx, headPx)
  useSteady(
    pane,
    messages[0]?.n,
    (before) =>
      Math.max(
        0,
        messages.findIndex(({ n }) => n <= before),
      ),
    heightPx,
  )
  usePaneKeys(pane, messages.length, heightPx)
  return (
    <div class="pane tail" ref={pane}>
      <table aria-label={list.label} aria-rowcount={messages.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col" class="at">
              {list.columns.at}
            </th>
            <th scope="col" class="topic">
              {list.columns.topic}
            </th>
            <th scope="col">{list.columns.payload}</th>
            <th scope="col" class="qos">
              {list.columns.qos}
            </th>
            <th scope="col" class="bytes">
              {list.columns.bytes}
            </th>
          </tr>
        </thead>
        <tbody>
          {span.from === 0 ? null : <tr class="space" style={{ height: `${span.from * heightPx}px` }} />}
          {messages.slice(span.from, span.to).map((heard, i) => (
            <Row
              key={heard.n}
              heard={heard}
              place={span.from + i}
              isChosen={chosen.includes(heard.n)}
              retained={isRetained(heard)}
              onOpen={onOpen}
            />
          ))}
          {span.to === messages.length ? null : <tr class="space" style={{ height: `${(messages.length - span.to) * heightPx}px` }} />}
        </tbody>
      </table>
    </div>
  )
}

function Row(props: { heard: Heard; place: number; isChosen: boolean; retained: boolean; onOpen: Props['onOpen'] }) {
  const { heard, place, isChosen, retained, onOpen } = props
  const time = clockTime(heard.at)
  return (
    // On the way down: between press and release a fast tail would have moved the row away.
    <tr
      aria-rowindex={place + 2}
      class={isChosen ? 'chosen' : ''}
      onPointerDown={(event) => {
        if (event.button === 0 && !(event.target as Element).closest('a')) onOpen(heard, event.shiftKey)
      }}
    >
      <th scope="row" class="at">
        <button
          type="button"
          data-row={place}
          data-n={heard.n}
          aria-label={list.open(time)}
          aria-pressed={isChosen}
          onKeyDown={(event) => {
            if (event.key === 'Enter' || event.key === ' ') {
              event.preventDefault()
              onOpen(heard, event.shiftKey)
            }
          }}
        >
          {time}
        </button>
      </th>
      <td class="topic">
        <a href={topicPath(heard.topic)} title={list.narrow(heard.topic)}>
          {heard.topic}
        </a>
        {retained ? <span class="tag">{list.retained}</span> : null}
      </td>
      <td class="payload">{lineOf(heard)}</td>
      <td class="qos">{heard.qos}</td>
      <td class="bytes">{bytes(heard.bytes)}</td>
    </tr>
  )
}

// Messages of this device alone, the newest first. The list is drawn while it is on screen, at most once per frame.
import { useComputed, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { bytes, count, exactTime, momentIn } from '../../format.ts'
import { twinWords } from '../../words/twin.ts'
import { CopyButton } from '../copy.tsx'
import { LeafTable, leavesLine } from './leaf-table.tsx'
import { isObject } from './leaves.ts'
import { messagesMax, type Tail, type TailMessage } from './tail.ts'

const { tail: said } = twinWords
/** So that a time reads to the second, whatever the range of the charts. */
const toSecond = 0

export function TailSection({ deviceId, tail }: { deviceId: string; tail: Tail }) {
  const place = useRef<HTMLElement>(null)
  const isOnScreen = useSignal(false)
  useEffect(() => {
    const seen = new IntersectionObserver(([entry]) => {
      isOnScreen.value = entry?.isIntersecting === true
    })
    seen.observe(place.current!)
    return () => seen.disconnect()
  }, [])
  return (
    <section class="tail" aria-labelledby="tail" ref={place}>
      <div class="line">
        <h2 id="tail">
          {said.title} <span class="quiet">{said.kept(count(messagesMax))}</span>
        </h2>
        <Pause tail={tail} />
      </div>
      <Standing tail={tail} />
      <Rows deviceId={deviceId} tail={tail} isOnScreen={isOnScreen} />
    </section>
  )
}

function Pause({ tail }: { tail: Tail }) {
  const text = useComputed(() => {
    if (!tail.isPaused.value) return said.pause
    return tail.passed.value === 0 ? said.goNone : `▶ ${said.go(count(tail.passed.value))}`
  })
  return (
    <button type="button" aria-pressed={tail.isPaused.value} onClick={() => (tail.isPaused.peek() ? tail.goOn() : tail.pause())}>
      {text}
    </button>
  )
}

function Standing({ tail }: { tail: Tail }) {
  const { value } = tail.state
  if (value !== 'lost' && value !== 'refused') return null
  return (
    <p class="empty" role="status">
      <i class="shape warn" />
      {value === 'lost' ? said.lost : said.refused}
    </p>
  )
}

function Rows({ deviceId, tail, isOnScreen }: { deviceId: string; tail: Tail; isOnScreen: { readonly value: boolean } }) {
  const open = useSignal<ReadonlySet<number>>(new Set())
  // Off screen it does not even look: what it showed last stays, and is not drawn again.
  const drawn = useRef<readonly TailMessage[]>([])
  if (isOnScreen.value) drawn.current = tail.messages.value
  const messages = drawn.current
  if (messages.length === 0) return tail.state.value === 'live' ? <Empty deviceId={deviceId} /> : null
  const toggle = (number: number) => {
    const next = new Set(open.peek())
    if (!next.delete(number)) next.add(number)
    open.value = next
  }
  return (
    <div class="scroller">
      <table class="plain messages" aria-label={said.table}>
        <thead>
          <tr>
            <th scope="col">{said.columns.at}</th>
            <th scope="col">{said.columns.topic}</th>
            <th scope="col">{said.columns.payload}</th>
          </tr>
        </thead>
        <tbody>
          {messages.map((message) => (
            <Row
              key={message.number}
              message={message}
              topic={message.topic.slice(`devices/${deviceId}/`.length)}
              isOpen={open.value.has(message.number)}
              onToggle={toggle}
            />
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface RowProps {
  readonly message: TailMessage
  readonly topic: string
  readonly isOpen: boolean
  readonly onToggle: (number: number) => void
}

function Row({ message, topic, isOpen, onToggle }: RowProps) {
  const { number, at } = message
  return (
    <tr>
      <td>
        <time title={exactTime(at)}>{momentIn(at, toSecond)}</time>
      </td>
      <td>
        <button type="button" class="cell" aria-expanded={isOpen} aria-label={said.show(topic)} onClick={() => onToggle(number)}>
          <code>{topic}</code>
        </button>
      </td>
      <td>{isOpen ? <Whole message={message} /> : <span class="one-line">{lineOf(message)}</span>}</td>
    </tr>
  )
}

function Whole({ message: { payload, text, base64 } }: { message: TailMessage }) {
  if (isObject(payload)) return <LeafTable value={payload} label={said.columns.payload} />
  if (base64 !== undefined) return <code class="bytes">{hexOf(base64)}</code>
  return <pre>{text ?? JSON.stringify(payload, null, 2)}</pre>
}

function Empty({ deviceId }: { deviceId: string }) {
  const line = `curl -d '{"temperature":61.3}' ${location.origin}/v1/devices/${deviceId}/telemetry`
  return (
    <div class="empty paste-line">
      <p>{said.none}</p>
      <code>{line}</code> <CopyButton text={line} what={said.title} />
    </div>
  )
}

function lineOf({ payload, text, base64 }: TailMessage): string {
  if (base64 !== undefined) return said.binary(bytes(atob(base64).length))
  return text ?? leavesLine(payload)
}

function hexOf(base64: string): string {
  return [...atob(base64)].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join(' ')
}

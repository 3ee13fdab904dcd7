// Messages: a topic filter that is also the address, what comes on it, and the topics as a tree.
import { useComputed, useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { count, rate } from '../format.ts'
import type { Heard } from '../message.ts'
import { CopyButton } from '../parts/copy.tsx'
import { MessageDetail, MessageDiff } from '../parts/message-detail.tsx'
import { MessageFilter } from '../parts/message-filter.tsx'
import { MessageList } from '../parts/message-list.tsx'
import { ProblemNotice } from '../parts/notice.tsx'
import { usePageKeys } from '../parts/pane.ts'
import { PublishForm } from '../parts/publish-form.tsx'
import { RetainedList } from '../parts/retained-list.tsx'
import { TopicBranches } from '../parts/topic-branches.tsx'
import { query } from '../router.ts'
import { keptMax, Tail } from '../tail.ts'
import { messagesWords } from '../words/messages.ts'

const everything = '#'
const says = messagesWords

/** What stands beside the list. */
type Aside =
  | { readonly is: 'nothing' | 'publish' }
  | { readonly is: 'message'; readonly heard: Heard; readonly isPicking: boolean }
  | { readonly is: 'diff'; readonly heard: Heard; readonly pair: readonly [Heard, Heard] | null }

export function MessagesPage() {
  const tail = useMemo(() => new Tail(), [])
  const aside = useSignal<Aside>({ is: 'nothing' })
  const tries = useSignal(0)
  const asked = query.value.get('filter') ?? ''
  const filter = asked === '' ? everything : asked
  const isRetainedView = query.value.get('view') === 'retained'
  useEffect(() => tail.start(filter), [filter, tries.value])

  const open = (heard: Heard, compare: boolean) => {
    const { value } = aside
    const isPicking = value.is === 'message' && value.isPicking
    aside.value =
      (compare || isPicking) && value.is === 'message' && value.heard !== heard
        ? { is: 'diff', heard: value.heard, pair: value.heard.at <= heard.at ? [value.heard, heard] : [heard, value.heard] }
        : { is: 'message', heard, isPicking: false }
  }
  const previous = (heard: Heard) => {
    const before = tail.before(heard)
    aside.value = { is: 'diff', heard, pair: before === undefined ? null : [before, heard] }
  }
  const pick = (heard: Heard) => {
    aside.value = { is: 'message', heard, isPicking: true }
  }
  const focused = (target: Element) => tail.shown.peek().find(({ n }) => String(n) === (target as HTMLElement).dataset['n'])
  const close = () => {
    aside.value = { is: 'nothing' }
  }
  usePageKeys({
    ' ': () => !isRetainedView && pauseOrNot(),
    p: (target) => {
      const { value } = aside
      const heard = focused(target) ?? (value.is === 'message' || value.is === 'diff' ? value.heard : undefined)
      if (heard !== undefined) previous(heard)
      return heard !== undefined
    },
    x: (target) => {
      const { value } = aside
      const heard = focused(target) ?? (value.is === 'message' ? value.heard : undefined)
      if (heard === undefined) return false
      if (value.is === 'message' && value.heard !== heard) open(heard, true)
      else pick(heard)
      return true
    },
    Escape: () => {
      const isOpen = aside.value.is !== 'nothing'
      close()
      return isOpen
    },
  })
  const pauseOrNot = () => {
    tail.pause(!tail.paused.peek())
    return true
  }

  const state = tail.state.value
  const isRetained = (heard: Heard) => tail.retained.get(heard.topic) === heard.at
  return (
    <div class={`split${aside.value.is === 'nothing' ? '' : ' beside'}`}>
      <div class="head">
        <h1>{says.title}</h1>
        <Sentence tail={tail} />
      </div>
      <MessageFilter
        filter={asked}
        tail={tail}
        isRetainedView={isRetainedView}
        onPause={pauseOrNot}
        onPublish={() => (aside.value = { is: 'publish' })}
      />
      {state.is === 'refused' && !isRetainedView ? (
        <ProblemNotice problem={state.problem} again={() => tries.value++} />
      ) : (
        <div class="panes">
          <Topics tail={tail} filter={filter} />
          {isRetainedView ? (
            <RetainedList key={filter} filter={filter} onOpen={(heard) => open(heard, false)} />
          ) : tail.shown.value.length === 0 ? (
            <Empty filter={filter} isLive={state.is === 'live'} />
          ) : (
            <MessageList messages={tail.shown.value} chosen={chosenIn(aside.value)} isRetained={isRetained} onOpen={open} />
          )}
          {aside.value.is === 'nothing' ? null : (
            <aside class="pane" aria-label={asideTitle(aside.value)}>
              <div class="tools spread">
                <h2>{asideTitle(aside.value)}</h2>
                <button type="button" onClick={close} aria-keyshortcuts="Escape">
                  {says.one.close}
                </button>
              </div>
              <Beside aside={aside.value} filter={asked} isRetained={isRetained} onOpen={open} onPrevious={previous} onPick={pick} />
            </aside>
          )}
        </div>
      )}
    </div>
  )
}

interface BesideProps {
  readonly aside: Aside
  readonly filter: string
  readonly isRetained: (heard: Heard) => boolean
  readonly onOpen: (heard: Heard, compare: boolean) => void
  readonly onPrevious: (heard: Heard) => void
  readonly onPick: (heard: Heard) => void
}

function Beside({ aside, filter, isRetained, onOpen, onPrevious, onPick }: BesideProps) {
  switch (aside.is) {
    case 'nothing':
      return null
    case 'publish':
      return <PublishForm topic={/[+#]/.test(filter) ? '' : filter} />
    case 'diff':
      if (aside.pair === null) return <p class="empty">{says.diff.noPrevious}</p>
      return <MessageDiff pair={aside.pair} onBack={() => onOpen(aside.heard, false)} />
    case 'message': {
      const { heard, isPicking } = aside
      return (
        <MessageDetail
          heard={heard}
          retained={heard.n < 0 || isRetained(heard)}
          isPicking={isPicking}
          onPrevious={() => onPrevious(heard)}
          onPick={() => onPick(heard)}
        />
      )
    }
  }
}

function Topics({ tail, filter }: { tail: Tail; filter: string }) {
  const isShown = useSignal(false)
  return (
    <div class={isShown.value ? 'tree shown' : 'tree'}>
      <button type="button" class="fold" aria-expanded={isShown.value} onClick={() => (isShown.value = !isShown.value)}>
        {says.tree.show}
      </button>
      <TopicBranches tail={tail} filter={filter} />
    </div>
  )
}

function Sentence({ tail }: { tail: Tail }) {
  const text = useComputed(() => {
    const { is } = tail.state.value
    if (is === 'lost') return says.lost
    return is === 'connecting' ? says.reading : says.sentence(rate(tail.rate.value), count(keptMax))
  })
  return <p class="sentence live">{text}</p>
}

function Empty({ filter, isLive }: { filter: string; isLive: boolean }) {
  if (!isLive) return <div class="pane" />
  const topic = filter.replaceAll('+', 'boiler-1').replace(/#$/, 'boiler-1/notes')
  const line = `curl -d 'hello' '${location.origin}/v1/publish?topic=${encodeURIComponent(topic)}'`
  return (
    <section class="first">
      <h2>{says.empty.heading(filter)}</h2>
      <p>{says.empty.lead}</p>
      <div class="paste">
        <h3>{says.empty.curl}</h3>
        <pre>
          <code>{line}</code>
        </pre>
        <CopyButton text={line} what={says.empty.curl} />
      </div>
    </section>
  )
}

function chosenIn(aside: Aside): readonly (number | undefined)[] {
  if (aside.is === 'message') return [aside.heard.n]
  return aside.is === 'diff' ? [aside.pair?.[0].n, aside.pair?.[1].n] : []
}

function asideTitle({ is }: Aside): string {
  return is === 'publish' ? says.send.title : is === 'diff' ? says.diff.title : says.one.title
}

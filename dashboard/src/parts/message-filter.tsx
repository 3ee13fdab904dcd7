// The line above the messages: the topic filter, what is listed, pause and publish.
import { useComputed } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { count } from '../format.ts'
import { may } from '../me.ts'
import { setQueries, setQuery } from '../router.ts'
import type { Tail } from '../tail.ts'
import { messagesWords } from '../words/messages.ts'

const says = messagesWords

interface FilterProps {
  readonly filter: string
  readonly tail: Tail
  readonly isRetainedView: boolean
  readonly onPause: () => void
  readonly onPublish: () => void
}

export function MessageFilter({ filter, tail, isRetainedView, onPause, onPublish }: FilterProps) {
  const input = useRef<HTMLInputElement>(null)
  const passed = useComputed(() =>
    tail.paused.value ? (tail.passed.value === 0 ? says.resume : says.passed(count(tail.passed.value))) : says.pause,
  )
  const follow = (event: Event) => {
    event.preventDefault()
    setQuery('filter', input.current!.value.trim())
  }
  return (
    <div class="filter">
      <form onSubmit={follow}>
        <label>
          <span class="hidden">{says.filter}</span>
          <input
            type="search"
            ref={input}
            value={filter}
            placeholder={says.filterHint}
            spellcheck={false}
            autocomplete="off"
            autocapitalize="none"
            aria-keyshortcuts="/"
            onChange={follow}
          />
          <span class="key" aria-hidden="true">
            /
          </span>
        </label>
        <button type="submit">{says.go}</button>
        {filter === '' ? null : (
          <button type="button" onClick={() => setQueries({ filter: '' })}>
            {says.narrowed}
          </button>
        )}
      </form>
      <fieldset class="choice">
        <legend class="hidden">{says.view}</legend>
        <button type="button" aria-pressed={!isRetainedView} onClick={() => setQuery('view', '')}>
          {says.tail}
        </button>
        <button type="button" aria-pressed={isRetainedView} onClick={() => setQuery('view', 'retained')}>
          {says.retained}
        </button>
      </fieldset>
      {isRetainedView ? null : (
        <button type="button" class="pause" aria-pressed={tail.paused.value} aria-keyshortcuts="Space" onClick={onPause}>
          <span class="live">{passed}</span>
        </button>
      )}
      {may('publish') ? (
        <button type="button" class="send" onClick={onPublish}>
          {says.publish}
        </button>
      ) : null}
    </div>
  )
}

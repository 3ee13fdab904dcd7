// Commands: what was asked of all devices, where each one stands, and one command to many.
import { useComputed, useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import type { Bulk, Command } from '../api/commands.ts'
import { CommandList, filterIn, rowsMax } from '../command-list.ts'
import { count } from '../format.ts'
import { may } from '../me.ts'
import { AskMany } from '../parts/ask-many.tsx'
import { BulkDetail, BulkTable } from '../parts/bulk-list.tsx'
import { type Counted, Numbers, useCounts } from '../parts/command-counts.tsx'
import { CommandDetail } from '../parts/command-detail.tsx'
import { CommandTable } from '../parts/command-list.tsx'
import { CopyButton } from '../parts/copy.tsx'
import { ProblemNotice } from '../parts/notice.tsx'
import { usePageKeys } from '../parts/pane.ts'
import { query, setQuery } from '../router.ts'
import { epoch, hearCommands, onCommands, waitFor } from '../state.ts'
import { commandsWords } from '../words/commands.ts'

const says = commandsWords
const typingMs = 250

type Aside =
  | { readonly is: 'nothing' | 'ask' }
  | { readonly is: 'command'; readonly command: Command }
  | { readonly is: 'bulk'; readonly id: string }

export function CommandsPage() {
  const list = useMemo(() => new CommandList(), [])
  const aside = useSignal<Aside>({ is: 'nothing' })
  const counted = useSignal<Counted | null>(null)
  const tries = useSignal(0)
  const text = query.value.get('q') ?? ''
  const isBulks = query.value.get('view') === 'bulks'

  // Before anything is read: what happens from here on comes by the socket.
  useEffect(() => {
    hearCommands(true)
    const end = onCommands((news) => list.onNews(news))
    return () => {
      end()
      hearCommands(false)
      list.stop()
    }
  }, [])
  useCounts(counted, tries.value)
  useEffect(() => {
    if (epoch.value === 0) return
    const timer = setTimeout(() => void waitFor(list.load(filterIn(text))), list.rows.peek() === null ? 0 : typingMs)
    return () => clearTimeout(timer)
  }, [text, epoch.value, tries.value])

  const close = () => {
    aside.value = { is: 'nothing' }
  }
  usePageKeys({
    Escape: () => {
      const isOpen = aside.value.is !== 'nothing'
      close()
      return isOpen
    },
  })

  const rows = list.rows.value
  const { value } = aside
  return (
    <div class={`split commands${value.is === 'nothing' ? '' : ' beside'}`}>
      <div class="head">
        <h1>{says.title}</h1>
        <Numbers counted={counted.value} />
      </div>
      <FilterLine
        text={text}
        isBulks={isBulks}
        onAsk={() => {
          aside.value = { is: 'ask' }
        }}
      />
      {list.problem.value === null ? null : <ProblemNotice problem={list.problem.value} again={() => tries.value++} />}
      <div class="panes">
        {isBulks ? (
          <BulkTable
            bulks={counted.value?.bulks ?? []}
            chosen={value.is === 'bulk' ? value.id : undefined}
            onOpen={(id) => {
              aside.value = { is: 'bulk', id }
            }}
          />
        ) : rows === null ? (
          <div class="pane" />
        ) : rows.length === 0 ? (
          <Empty isFiltered={text !== ''} />
        ) : (
          <CommandTable
            commands={rows}
            chosen={value.is === 'command' ? value.command.id : undefined}
            onOpen={(command) => {
              aside.value = { is: 'command', command }
            }}
            end={<End list={list} />}
          />
        )}
        {value.is === 'nothing' ? null : (
          <aside class="pane" aria-label={titleOf(value)}>
            <div class="tools spread">
              <h2>{titleOf(value)}</h2>
              <button type="button" onClick={close} aria-keyshortcuts="Escape">
                {says.one.close}
              </button>
            </div>
            <Beside
              aside={value}
              rows={rows ?? []}
              bulks={counted.value?.bulks ?? []}
              onChanged={() => tries.value++}
              onShow={(next) => {
                aside.value = next
              }}
            />
          </aside>
        )}
      </div>
    </div>
  )
}

interface BesideProps {
  readonly aside: Aside
  readonly rows: readonly Command[]
  readonly bulks: readonly Bulk[]
  readonly onChanged: () => void
  readonly onShow: (aside: Aside) => void
}

function Beside({ aside, rows, bulks, onChanged, onShow }: BesideProps) {
  if (aside.is === 'ask') {
    const onAsked = (bulk: Bulk) => {
      onChanged()
      setQuery('view', 'bulks')
      onShow({ is: 'bulk', id: bulk.id })
    }
    return <AskMany onAsked={onAsked} />
  }
  if (aside.is === 'bulk') {
    const bulk = bulks.find(({ id }) => id === aside.id)
    return bulk === undefined ? null : <BulkDetail key={bulk.id} bulk={bulk} onChanged={onChanged} />
  }
  if (aside.is !== 'command') return null
  // As it stands now, as long as the list has it.
  const command = rows.find(({ id }) => id === aside.command.id) ?? aside.command
  return (
    <CommandDetail
      key={command.id}
      command={command}
      onChanged={(answered) => {
        onChanged()
        if (answered.id === command.id) onShow({ is: 'command', command: answered })
      }}
    />
  )
}

function FilterLine({ text, isBulks, onAsk }: { text: string; isBulks: boolean; onAsk: () => void }) {
  return (
    <div class="filter">
      {isBulks ? null : (
        <label>
          <span class="hidden">{says.filter}</span>
          <input
            type="search"
            value={text}
            placeholder={says.filterHint}
            spellcheck={false}
            autocomplete="off"
            autocapitalize="none"
            aria-keyshortcuts="/"
            onInput={(event) => setQuery('q', event.currentTarget.value)}
          />
          <span class="key" aria-hidden="true">
            /
          </span>
        </label>
      )}
      <fieldset class="choice">
        <legend class="hidden">{says.view}</legend>
        <button type="button" aria-pressed={!isBulks} onClick={() => setQuery('view', '')}>
          {says.commands}
        </button>
        <button type="button" aria-pressed={isBulks} onClick={() => setQuery('view', 'bulks')}>
          {says.bulks}
        </button>
      </fieldset>
      {may('command') ? (
        <button type="button" onClick={onAsk}>
          {says.askMany}
        </button>
      ) : null}
    </div>
  )
}

function End({ list }: { list: CommandList }) {
  const isFull = useComputed(() => (list.rows.value?.length ?? 0) >= rowsMax)
  if (!list.hasOlder.value) return null
  if (isFull.value) return <p class="empty">{says.ended(count(rowsMax))}</p>
  return (
    <button type="button" class="older" onClick={() => void waitFor(list.older())}>
      {says.older}
    </button>
  )
}

function Empty({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) return <p class="empty">{says.empty.match}</p>
  const line = `curl -d '{"name":"restart"}' ${location.origin}/v1/devices/boiler-1/commands`
  return (
    <section class="first">
      <h2>{says.empty.heading}</h2>
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

function titleOf({ is }: Aside): string {
  return is === 'ask' ? says.ask.title : is === 'bulk' ? says.bulk.title : says.one.title
}

// Commands as a table; only the rows on screen exist.
import { useRef } from 'preact/hooks'
import type { Command } from '../api/commands.ts'
import { ago, duration, exactTime } from '../format.ts'
import { devicePath } from '../router.ts'
import { now } from '../state.ts'
import { commandsWords } from '../words/commands.ts'
import { CommandStateMark, secondsText } from './command-trail.tsx'
import { usePaneKeys, usePaneSpan, useSteady } from './pane.ts'
import { useMedia } from './window.ts'

const rowPx = 32
const phoneRowPx = 52
const headPx = 28
const { list } = commandsWords

interface Props {
  readonly commands: readonly Command[]
  readonly chosen: string | undefined
  readonly onOpen: (command: Command) => void
  /** Stands below the last row. */
  readonly end: preact.ComponentChildren
}

export function CommandTable({ commands, chosen, onOpen, end }: Props) {
  const pane = useRef<HTMLDivElement>(null)
  const heightPx = useMedia('(max-width: 640px)') ? phoneRowPx : rowPx
  const span = usePaneSpan(pane, commands.length, heightPx, headPx)
  const first = commands[0]?.id
  const added = (before: number) =>
    Math.max(
      0,
      commands.findIndex(({ id }) => Number.parseInt(id, 36) <= before),
    )
  useSteady(pane, first === undefined ? undefined : Number.parseInt(first, 36), added, heightPx)
  usePaneKeys(pane, commands.length, heightPx)
  const { columns } = list
  return (
    <div class="pane tail asked" ref={pane}>
      <table aria-label={list.label} aria-rowcount={commands.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {(['state', 'name', 'device', 'by', 'at', 'took'] as const).map((column) => (
              <th key={column} scope="col" class={column}>
                {columns[column]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {span.from === 0 ? null : <tr class="space" style={{ height: `${span.from * heightPx}px` }} />}
          {commands.slice(span.from, span.to).map((command, i) => (
            <Row key={command.id} command={command} place={span.from + i} isChosen={command.id === chosen} onOpen={onOpen} />
          ))}
          {span.to === commands.length ? null : <tr class="space" style={{ height: `${(commands.length - span.to) * heightPx}px` }} />}
        </tbody>
      </table>
      {end}
    </div>
  )
}

function Row({ command, place, isChosen, onOpen }: { command: Command; place: number; isChosen: boolean; onOpen: Props['onOpen'] }) {
  const { device, name, state, by, createdAt, trail, over } = command
  const took = over ? secondsText((trail.at(-1)?.at ?? createdAt) - createdAt) : duration(now.value - createdAt)
  return (
    // The whole row opens it; the button within is for the keyboard.
    <tr
      aria-rowindex={place + 2}
      class={isChosen ? 'chosen' : ''}
      onPointerDown={(event) => {
        if (event.button === 0 && !(event.target as Element).closest('a')) onOpen(command)
      }}
    >
      <td class="state">
        <CommandStateMark state={state} />
      </td>
      <th scope="row" class="name">
        <button
          type="button"
          data-row={place}
          aria-label={list.open(name, device)}
          aria-pressed={isChosen}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' && event.key !== ' ') return
            event.preventDefault()
            onOpen(command)
          }}
        >
          {name}
        </button>
      </th>
      <td class="device">
        <a href={devicePath(device)}>{device}</a>
      </td>
      <td class="by">{by}</td>
      <td class="at" title={exactTime(createdAt)}>
        {ago(createdAt, now.value)}
      </td>
      <td class="took">{took}</td>
    </tr>
  )
}

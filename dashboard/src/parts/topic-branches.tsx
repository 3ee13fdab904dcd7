// The tree of topics: counts and rates per branch, by pointer and by arrow keys; only the rows on screen exist.
import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { count, rate } from '../format.ts'
import { go } from '../router.ts'
import { brightMs, type Tail } from '../tail.ts'
import { type Branch, branchesMax, filterOf } from '../topic-tree.ts'
import { messagesWords } from '../words/messages.ts'
import { topicPath } from './message-list.tsx'
import { usePaneSpan } from './pane.ts'

const rowPx = 26
const indentPx = 14
const { tree: says } = messagesWords
const calm = matchMedia('(prefers-reduced-motion: reduce)')

export function TopicBranches({ tail, filter }: { tail: Tail; filter: string }) {
  const pane = useRef<HTMLDivElement>(null)
  const active = useSignal('')
  tail.version.value
  const rows = tail.tree.rows()
  const span = usePaneSpan(pane, rows.length, rowPx)
  const at = rows.findIndex(({ path }) => path === active.value)
  const nowMs = performance.now()

  const open = (branch: Branch, isOpen: boolean) => {
    branch.isOpen = isOpen
    tail.version.value++
  }
  const move = (to: number) => {
    const next = rows[Math.min(rows.length - 1, Math.max(0, to))]
    if (next === undefined) return
    active.value = next.path
    const topPx = rows.indexOf(next) * rowPx
    const element = pane.current!
    element.scrollTop = Math.min(topPx, Math.max(element.scrollTop, topPx + rowPx - element.clientHeight))
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const branch = rows[at]
    if (event.key === 'ArrowDown') move(at + 1)
    else if (event.key === 'ArrowUp') move(at - 1)
    else if (event.key === 'Home') move(0)
    else if (event.key === 'End') move(rows.length - 1)
    else if (branch === undefined) return
    else if (event.key === 'Enter') go(topicPath(filterOf(branch)))
    else if (event.key === 'ArrowRight' && branch.children.size > 0) branch.isOpen ? move(at + 1) : open(branch, true)
    else if (event.key === 'ArrowLeft') branch.isOpen && branch.children.size > 0 ? open(branch, false) : move(parentOf(rows, at))
    else return
    event.preventDefault()
  }

  return (
    <nav class="topics" aria-label={says.title}>
      <h2>
        {says.title} <span class="quiet">{says.size(count(tail.tree.size))}</span>
      </h2>
      {rows.length === 0 ? <p class="empty">{says.empty}</p> : null}
      <div
        class="pane"
        ref={pane}
        role="tree"
        aria-label={says.label}
        tabIndex={0}
        onKeyDown={onKeyDown}
        aria-activedescendant={at < 0 ? undefined : `branch-${at}`}
      >
        <div style={{ height: `${span.from * rowPx}px` }} />
        {rows.slice(span.from, span.to).map((branch, i) => (
          <Row
            key={branch.path}
            id={`branch-${span.from + i}`}
            branch={branch}
            isActive={branch.path === active.value}
            isFollowed={filterOf(branch) === filter}
            isBright={!calm.matches && nowMs - branch.changedMs < brightMs}
            onToggle={() => open(branch, !branch.isOpen)}
          />
        ))}
        <div style={{ height: `${(rows.length - span.to) * rowPx}px` }} />
      </div>
      {tail.tree.isFull ? <p class="quiet">{says.full(count(branchesMax))}</p> : null}
    </nav>
  )
}

interface RowProps {
  readonly id: string
  readonly branch: Branch
  readonly isActive: boolean
  readonly isFollowed: boolean
  readonly isBright: boolean
  readonly onToggle: () => void
}

/** Its keys are those of the tree, which has the focus. */
function Row({ id, branch, isActive, isFollowed, isBright, onToggle }: RowProps) {
  const { name, path, depth, children, retained, isOpen } = branch
  const isParent = children.size > 0
  return (
    <div
      id={id}
      class={`branch${isActive ? ' active' : ''}${isFollowed ? ' chosen' : ''}`}
      role="treeitem"
      tabIndex={-1}
      aria-level={depth + 1}
      aria-expanded={isParent ? isOpen : undefined}
      aria-selected={isFollowed}
      aria-label={says.says(name, count(branch.count), rate(branch.rate), retained)}
      style={{ paddingLeft: `${depth * indentPx}px` }}
    >
      <button
        type="button"
        tabIndex={-1}
        aria-hidden="true"
        class={isParent ? `twist${isOpen ? ' open' : ''}` : 'twist none'}
        onClick={onToggle}
      />
      <a href={topicPath(filterOf(branch))} tabIndex={-1} title={path}>
        {name === '' ? '/' : name}
      </a>
      {retained ? <i class="kept" title={messagesWords.list.retained} /> : null}
      <span class="rate">{branch.rate > 0 ? says.rate(rate(branch.rate)) : ''}</span>
      <span class={isBright ? 'value bright' : 'value'}>{count(branch.count)}</span>
    </div>
  )
}

function parentOf(rows: readonly Branch[], at: number): number {
  const { depth } = rows[at]!
  return rows.findLastIndex((row, i) => i < at && row.depth < depth)
}

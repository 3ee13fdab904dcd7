// One message beside the list: its payload as it is best read, or what differs between two.
import { useSignal } from '@preact/signals'
import { bytes, clockTime, count, exactTime } from '../format.ts'
import { differences, type Heard, leavesMax, leavesOf, shownAs, type View, viewsOf } from '../message.ts'
import { devicePath } from '../router.ts'
import { messagesWords } from '../words/messages.ts'
import { CopyButton } from './copy.tsx'
import { topicPath } from './message-list.tsx'

const { one, diff } = messagesWords

interface Props {
  readonly heard: Heard
  readonly retained: boolean
  readonly isPicking: boolean
  readonly onPrevious: () => void
  readonly onPick: () => void
}

export function MessageDetail({ heard, retained, isPicking, onPrevious, onPick }: Props) {
  const device = /^devices\/([^/]+)\//.exec(heard.topic)?.[1]
  return (
    <>
      <dl class="facts">
        <dt>{one.topic}</dt>
        <dd>
          <a href={topicPath(heard.topic)}>
            <code>{heard.topic}</code>
          </a>
        </dd>
        <dt>{one.at}</dt>
        <dd title={exactTime(heard.at)}>{clockTime(heard.at)}</dd>
        <dt>{one.qos}</dt>
        <dd>{heard.qos}</dd>
        <dt>{one.bytes}</dt>
        <dd>{bytes(heard.bytes)}</dd>
        {retained ? (
          <>
            <dt>{one.retained}</dt>
            <dd>{one.isRetained}</dd>
          </>
        ) : null}
      </dl>
      {device === undefined ? null : (
        <p>
          <a href={devicePath(device)}>{one.device(device)}</a>
        </p>
      )}
      <div class="tools">
        <button type="button" onClick={onPrevious} aria-keyshortcuts="p">
          {one.previous}{' '}
          <span class="key" aria-hidden="true">
            p
          </span>
        </button>
        <button type="button" onClick={onPick} aria-pressed={isPicking} aria-keyshortcuts="x">
          {one.against}{' '}
          <span class="key" aria-hidden="true">
            x
          </span>
        </button>
      </div>
      {isPicking ? (
        <p class="quiet" role="status">
          {one.pick}
        </p>
      ) : null}
      <Payload key={heard.n} heard={heard} />
    </>
  )
}

function Payload({ heard }: { heard: Heard }) {
  const offered = viewsOf(heard)
  const view = useSignal<View>(offered[0]!)
  if (heard.bytes === 0) return <p class="empty">{one.nothing}</p>
  return (
    <>
      <div class="tools spread">
        <fieldset class="choice">
          <legend class="hidden">{one.view}</legend>
          {offered.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={view.value === name}
              onClick={() => {
                view.value = name
              }}
            >
              {one.views[name]}
            </button>
          ))}
        </fieldset>
        <CopyButton text={shownAs(heard, view.value === 'leaves' ? 'json' : view.value)} what={one.payload} />
      </div>
      {view.value === 'leaves' ? <Leaves heard={heard} /> : <pre class={`body ${view.value}`}>{shownAs(heard, view.value)}</pre>}
    </>
  )
}

function Leaves({ heard }: { heard: Heard }) {
  const leaves = leavesOf(heard)
  return (
    <>
      <table class="plain leaves">
        <thead>
          <tr>
            <th scope="col">{one.columns.path}</th>
            <th scope="col">{one.columns.says}</th>
          </tr>
        </thead>
        <tbody>
          {leaves.map(([path, says]) => (
            <tr key={path}>
              <th scope="row">{path}</th>
              <td>{says}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {leaves.length < leavesMax ? null : <p class="quiet">{one.more(count(leavesMax))}</p>}
    </>
  )
}

export function MessageDiff({ pair, onBack }: { pair: readonly [before: Heard, after: Heard]; onBack: () => void }) {
  const [before, after] = pair
  const { changed, same } = differences(before, after)
  return (
    <>
      <p class="topics">{before.topic === after.topic ? after.topic : diff.topics(before.topic, after.topic)}</p>
      {changed.length === 0 ? (
        <p class="empty">{diff.equal}</p>
      ) : (
        <table class="plain leaves diff">
          <thead>
            <tr>
              <th scope="col">{diff.columns.path}</th>
              <th scope="col">{diff.columns.before(clockTime(before.at))}</th>
              <th scope="col">{diff.columns.after(clockTime(after.at))}</th>
            </tr>
          </thead>
          <tbody>
            {changed.map(({ path, before: was, after: is }) => {
              const mark = was === undefined ? 'added' : is === undefined ? 'gone' : 'changed'
              return (
                <tr key={path} class={mark}>
                  <th scope="row">
                    {path === '' ? one.whole : path} <span class="tag">{diff.marks[mark]}</span>
                  </th>
                  <td>{was}</td>
                  <td>{is}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      )}
      <p class="quiet">{diff.same(count(same))}</p>
      <button type="button" onClick={onBack}>
        {diff.back}
      </button>
    </>
  )
}

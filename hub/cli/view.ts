// mooring sub --view: topics as a table that moves, on the whole screen.
import type { Terminal } from './command.ts'
import type { HubAddress } from './connection.ts'
import { follow, type MessageSink } from './follow.ts'
import type { MessageFrame } from './message-line.ts'
import { type Key, Screen } from './screen.ts'
import { visible } from './table.ts'
import { type TopicLine, Topics } from './topics.ts'
import { counted, frameRows, type Order, orderedBy, orders, payloadLines, tableLines, wholePayload } from './view-lines.ts'

const drawEveryMs = 100
/** Ages and rates change also when nothing comes. */
const lookEveryMs = 1000
/** A sentence stands for so long once messages come again. */
const sentenceMs = 5000
const filterMax = 200

/** Until it is ended by a key, or has seen so many messages. Errors: as `follow`. */
export async function view(hub: HubAddress, path: string, filters: readonly string[], most: number, terminal: Terminal): Promise<void> {
  const quit = new AbortController()
  const topics = new TopicView(terminal, filters, most, () => quit.abort())
  try {
    await follow(hub, path, topics, AbortSignal.any([terminal.signal, quit.signal]))
  } catch (error) {
    if (!quit.signal.aborted) throw error
  } finally {
    topics.end()
  }
}

class TopicView implements MessageSink {
  readonly #topics = new Topics()
  readonly #screen: Screen
  readonly #filters: string
  readonly #onQuit: () => void
  readonly #look: NodeJS.Timeout
  #left: number
  #order: Order = 'topic'
  /** Topics that contain it are shown. */
  #text = ''
  /** It is being typed. */
  #isTyping = false
  /** What the screen stands still at. */
  #paused: readonly TopicLine[] | undefined
  /** A topic; undefined for the first of the table, whichever that is. */
  #selected: string | undefined
  /** The first line on the screen, of the table and of the payload. */
  #top = 0
  #payloadTop = 0
  /** The topic whose payload is shown whole, as it was seen last. */
  #open: TopicLine | undefined
  #sentence = ''
  #saidMs = 0
  /** As they were drawn last: keys go by what is seen. */
  #lines: readonly TopicLine[] = []
  #drawnMs = Number.NEGATIVE_INFINITY
  #due: NodeJS.Timeout | undefined

  constructor(terminal: Terminal, filters: readonly string[], most: number, onQuit: () => void) {
    this.#filters = filters.map(visible).join(' ')
    this.#left = most
    this.#onQuit = onQuit
    this.#screen = new Screen(terminal, { key: (key) => this.#onKey(key), resize: () => this.#touch(), gone: onQuit })
    this.#look = setInterval(() => this.#touch(), lookEveryMs)
    this.#touch()
  }

  get isDone(): boolean {
    return this.#left <= 0
  }

  take(frame: MessageFrame): void {
    const nowMs = performance.now()
    this.#topics.take(frame, nowMs)
    this.#left--
    if (nowMs - this.#saidMs > sentenceMs) this.#sentence = ''
    this.#touch()
  }

  say(sentence: string): void {
    this.#sentence = visible(sentence)
    this.#saidMs = performance.now()
    this.#touch()
  }

  end(): void {
    clearInterval(this.#look)
    clearTimeout(this.#due)
    this.#screen.end()
  }

  /** Draws soon, and no more often than an eye follows. */
  #touch(): void {
    this.#due ??= setTimeout(() => this.#draw(), Math.max(0, this.#drawnMs + drawEveryMs - performance.now()))
  }

  #draw(): void {
    this.#due = undefined
    this.#drawnMs = performance.now()
    const text = this.#text.toLowerCase()
    const all = this.#paused ?? this.#topics.lines(this.#drawnMs, Date.now())
    this.#lines = orderedBy(
      this.#order,
      all.filter(({ topic }) => topic.toLowerCase().includes(text)),
    )
    const { columns, rows } = this.#screen
    const size = { columns, rows }
    const open = this.#open
    if (open !== undefined) {
      this.#open = all.find(({ topic }) => topic === open.topic) ?? open
      this.#payloadTop = Math.max(0, Math.min(this.#payloadTop, wholePayload(this.#open, columns).length - this.#page))
      this.#screen.show(payloadLines(this.#open, this.#payloadTop, this.#footOfPayload(), size))
      return
    }
    const at = this.#at()
    this.#top = Math.max(0, Math.min(Math.max(this.#top, at - this.#page + 1), at, this.#lines.length - 1))
    const state = { lines: this.#lines, selected: at, top: this.#top, head: this.#head(), foot: this.#foot() }
    this.#screen.show(tableLines(state, size))
  }

  /** Where the selected topic stands; one that is not shown any more leaves the place to the first. */
  #at(): number {
    if (this.#selected === undefined) return 0
    return Math.max(
      0,
      this.#lines.findIndex(({ topic }) => topic === this.#selected),
    )
  }

  /** Rows for what moves. */
  get #page(): number {
    return Math.max(1, this.#screen.rows - frameRows)
  }

  #head(): string {
    const { size, messages, forgotten } = this.#topics
    const perSecond = this.#lines.reduce((sum, line) => sum + line.perSecond, 0)
    const shown = this.#text === '' ? '' : `${this.#lines.length.toLocaleString('en-US')} of `
    const standing = this.#paused === undefined ? '' : ', paused'
    const gone = forgotten === 0 ? '' : `; ${counted(forgotten, 'topic')} silent for longest left out`
    const sums = `${shown}${counted(size, 'topic')}, ${counted(messages, 'message')}, ${perSecond.toFixed(1)}/s`
    return `${this.#filters}: ${sums}, by ${this.#order}${standing}${gone}`
  }

  #foot(): string {
    if (this.#isTyping) return `/${this.#text}_   Enter keeps it, Esc shows all`
    if (this.#sentence !== '') return this.#sentence
    if (!this.#screen.hasKeys) return 'Ctrl-C ends'
    const text = this.#text === '' ? '/ filters' : `/${visible(this.#text)} (Esc shows all)`
    return `q ends  p ${this.#paused === undefined ? 'pauses' : 'goes on'}  s sorts  ${text}  Enter opens`
  }

  #footOfPayload(): string {
    return this.#sentence === '' ? `Esc back  p ${this.#paused === undefined ? 'pauses' : 'goes on'}  q ends` : this.#sentence
  }

  #onKey(key: Key): void {
    if (key.isCtrl && key.name === 'c')
      process.kill(process.pid, 'SIGINT') // as from a terminal that is not raw
    else if (this.#isTyping) this.#type(key)
    else this.#command(key)
    this.#touch()
  }

  #type({ name, text }: Key): void {
    if (name === 'return' || name === 'enter' || name === 'escape') this.#isTyping = false
    if (name === 'escape') this.#text = ''
    else if (name === 'backspace') this.#text = [...this.#text].slice(0, -1).join('')
    else if (this.#isTyping) this.#text = (this.#text + text).slice(0, filterMax)
  }

  #command({ name, text }: Key): void {
    if (text === 'q') this.#onQuit()
    else if (text === 'p') this.#paused = this.#paused === undefined ? this.#topics.lines(performance.now(), Date.now()) : undefined
    else if (name === 'up') this.#move(-1)
    else if (name === 'down') this.#move(1)
    else if (name === 'pageup') this.#move(-this.#page)
    else if (name === 'pagedown') this.#move(this.#page)
    else if (name === 'home') this.#move(Number.NEGATIVE_INFINITY)
    else if (name === 'end') this.#move(Number.POSITIVE_INFINITY)
    else if (name === 'return' || name === 'enter') this.#turnTo(this.#open === undefined ? this.#lines[this.#at()] : undefined)
    else if (name === 'escape' && this.#open !== undefined) this.#turnTo(undefined)
    else if (name === 'escape') this.#text = ''
    else if (text === 's' && this.#open === undefined) this.#order = orders[(orders.indexOf(this.#order) + 1) % orders.length] as Order
    else if (text === '/' && this.#open === undefined) this.#isTyping = true
  }

  #move(by: number): void {
    if (this.#open !== undefined) {
      this.#payloadTop = Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, this.#payloadTop + by))
      return
    }
    const at = Math.max(0, Math.min(this.#lines.length - 1, this.#at() + by))
    this.#selected = at === 0 ? undefined : this.#lines[at]?.topic
  }

  /** Its payload, or the table again, where it stays selected wherever it moves. */
  #turnTo(open: TopicLine | undefined): void {
    this.#open = open
    this.#selected = open?.topic ?? this.#selected
    this.#payloadTop = 0
  }
}

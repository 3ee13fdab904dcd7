// mooring sub: messages as they come, without a gap across cuts.
import { countIn, define, exitCodes, say, type Terminal, UsageError } from './command.ts'
import { hubOptions } from './connection.ts'
import { follow, type MessageSink } from './follow.ts'
import { lineOf, type MessageFrame } from './message-line.ts'
import { print, screenWidthOf } from './print.ts'
import { stretchMs } from './times.ts'
import { view } from './view.ts'

export const subCommand = define({
  summary: 'messages as they come',
  operands: ['FILTER…'],
  about: `Shows the messages of topic filters (+ and # as in MQTT), one in a line, until Ctrl-C. After a cut it goes on where it was,
without a gap and without a message twice, and says so on stderr. Where stdout is no terminal each line is a JSON object.

With --view it is a table that moves, a line for each topic: how many messages, how many a second over the last ten, how long
ago the newest came, and its payload. * marks what changed within a second. Keys: arrows and page keys scroll, Enter shows the
whole payload and Esc goes back, s sorts by topic, rate or age, / shows the topics that contain a text, p pauses, q ends.
The 10,000 topics heard last are kept.`,
  options: {
    last: { type: 'string', value: 'N', says: 'so many of the newest messages first' },
    since: {
      type: 'string',
      value: 'WHEN',
      says: 'first what came since: a stretch before now such as 1h, a time of ISO 8601, or a cursor',
    },
    view: { type: 'boolean', says: 'a line for each topic, with its rate and its newest payload, on a terminal' },
    count: { type: 'string', value: 'N', says: 'end after so many messages' },
    json: { type: 'boolean', says: 'each line a JSON object: topic, payload (or text, base64), qos, at, cursor' },
    ...hubOptions,
  },
  ends: '1 the hub did not answer or refused, ',
  async run(values, filters, terminal) {
    const { last, since } = values
    if (last !== undefined && since !== undefined) throw new UsageError('--last or --since, not both')
    const most = values.count === undefined ? Number.POSITIVE_INFINITY : countIn('count', values.count)
    const query = new URLSearchParams(filters.map((filter) => ['filter', filter]))
    if (last !== undefined) query.set('last', `${countIn('last', last)}`)
    if (since !== undefined) query.set('since', momentOf(since))
    const path = `/v1/messages?${query}`
    if (values.view === true) {
      if (terminal.stdout.isTTY !== true || values.json === true) throw new UsageError('--view is for a terminal, without --json')
      await view(values, path, filters, most, terminal)
      return exitCodes.done
    }
    const isForPeople = values.json !== true && terminal.stdout.isTTY === true
    await follow(values, path, new Lines(terminal, isForPeople, most), terminal.signal)
    return exitCodes.done
  },
})

/** A stretch is one before now; the hub reads the rest. */
function momentOf(text: string): string {
  const stretch = stretchMs(text.replace(/^-/, ''))
  return stretch === undefined ? text : `${Date.now() - stretch}`
}

/** Where the lines go, as fast as somebody reads them. */
class Lines implements MessageSink {
  readonly #terminal: Terminal
  readonly #isForPeople: boolean
  #left: number

  constructor(terminal: Terminal, isForPeople: boolean, most: number) {
    this.#terminal = terminal
    this.#isForPeople = isForPeople
    this.#left = most
  }

  get isDone(): boolean {
    return this.#left <= 0
  }

  say(sentence: string): void {
    say(this.#terminal, sentence)
  }

  async take(frame: MessageFrame): Promise<void> {
    const text = this.#isForPeople ? lineOf(frame, screenWidthOf(this.#terminal) ?? 80) : JSON.stringify(frame)
    this.#left = (await print(this.#terminal, `${text}\n`)) ? this.#left - 1 : 0
  }
}

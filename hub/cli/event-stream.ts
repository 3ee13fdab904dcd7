// Server-sent events as they come, told apart (WHATWG HTML, section 9.2.6).
import { StringDecoder } from 'node:string_decoder'

export interface ServerEvent {
  readonly event: string
  readonly data: string
}

export class EventReader {
  /** Where to go on from after a cut: the newest `id`. */
  lastId = ''
  /** How long to wait before that; undefined until the server has said so. */
  retryMs: number | undefined
  readonly #decoder = new StringDecoder('utf8')
  #text = ''
  /** Good as `lastId` when its event is whole. */
  #id = ''
  #event = ''
  #data: string[] = []

  /** Begins anew on another connection: half an event is none. */
  reset(): void {
    this.#decoder.end()
    this.#text = ''
    this.#id = this.lastId
    this.#event = ''
    this.#data = []
  }

  /** The events that end in this chunk. */
  *read(chunk: Uint8Array): Generator<ServerEvent> {
    this.#text += this.#decoder.write(chunk)
    const lines = this.#text.split('\n')
    this.#text = lines.pop() ?? ''
    for (const line of lines) {
      const event = this.#take(line)
      if (event !== undefined) yield event
    }
  }

  #take(line: string): ServerEvent | undefined {
    if (line === '') {
      this.lastId = this.#id
      const [event, data] = [this.#event, this.#data]
      this.#event = ''
      this.#data = []
      return data.length === 0 ? undefined : { event: event === '' ? 'message' : event, data: data.join('\n') }
    }
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (field === 'id') this.#id = value
    else if (field === 'event') this.#event = value
    else if (field === 'data') this.#data.push(value)
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value)
    return undefined
  }
}

// mooring pub: one message to a running hub.
import { addAbortSignal, type Readable } from 'node:stream'
import { define, exitCodes, say, type Terminal, UsageError } from './command.ts'
import { ask, hubOptions, textOf } from './connection.ts'
import { jsonOption, print } from './print.ts'

interface Published {
  readonly stored: number
  readonly cursor?: string
}

export const pubCommand = define({
  summary: 'publish a message',
  operands: ['TOPIC', 'PAYLOAD'],
  about: `Publishes PAYLOAD byte for byte, or what comes on stdin when it is -. One that begins with - stands behind --.
It is done when the message is on disk; one at QoS 0 that is neither retained nor telemetry is not kept.`,
  options: {
    qos: { type: 'string', value: 'N', words: ['0', '1', '2'], says: '0, 1 or 2 (1)' },
    retain: { type: 'boolean', says: 'the hub gives it to whoever subscribes later; an empty payload removes what was retained' },
    text: { type: 'boolean', says: 'PAYLOAD is text as it stands, also when it is -' },
    base64: { type: 'boolean', says: 'PAYLOAD, or what comes on stdin, is base64 of what is published' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 it is not stored, ',
  async run(values, [topic = '', payload = ''], terminal) {
    const { qos, retain, text, base64 } = values
    if (text === true && base64 === true) throw new UsageError('--text or --base64, not both')
    const query = new URLSearchParams({ topic })
    if (qos !== undefined) query.set('qos', qos)
    if (retain === true) query.set('retain', 'true')
    const body = await bodyOf(payload, text === true, base64 === true, terminal)
    const response = await ask(values, { method: 'POST', path: `/v1/publish?${query}`, body, signal: terminal.signal })
    const answer = await textOf(response)
    if (values.json === true) {
      await print(terminal, `${answer}\n`)
      return exitCodes.done
    }
    const { stored, cursor } = JSON.parse(answer) as Published
    say(terminal, stored === 0 ? 'published; at QoS 0 it is not kept.' : `published and on disk, at ${cursor}.`)
    return exitCodes.done
  },
})

async function bodyOf(payload: string, isText: boolean, isBase64: boolean, { stdin, signal }: Terminal): Promise<Buffer | Readable> {
  const fromStdin = payload === '-' && !isText
  if (!isBase64) return fromStdin ? stdin : Buffer.from(payload)
  let text = fromStdin ? '' : payload
  if (fromStdin) for await (const chunk of addAbortSignal(signal, stdin).setEncoding('utf8')) text += chunk
  const bytes = Buffer.from(text, 'base64')
  // Buffer passes over what is no base64, and would publish something else.
  const plain = (some: string) => some.replace(/[\s=]/g, '').replaceAll('-', '+').replaceAll('_', '/')
  if (plain(bytes.toString('base64')) !== plain(text)) throw new UsageError('PAYLOAD is no base64')
  return bytes
}

// The thread behind parquet.ts: one export or one import. Each question has one answer, in order.
import { parentPort } from 'node:worker_threads'
import { Refusal, type RefusalCode } from '../../errors.ts'
import { ParquetDecoder } from './parquet-decoder.ts'
import { ParquetEncoder } from './parquet-encoder.ts'
import type { Row, Rows } from './row.ts'

export type Question =
  | { readonly is: 'add'; readonly rows: Rows }
  | { readonly is: 'finish' }
  | { readonly is: 'open'; readonly path: string }
  | { readonly is: 'next'; readonly count: number }

export interface SentRefusal {
  readonly code: RefusalCode
  readonly detail: string
}

export type Answer =
  | { readonly is: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly is: 'opened' }
  | { readonly is: 'rows'; readonly rows: readonly (Row | SentRefusal)[] }
  | { readonly is: 'refused'; readonly why: SentRefusal }

const port = parentPort
if (port === null) throw new Error('This module runs in a thread; parquet.ts starts it.')

const encoder = new ParquetEncoder()
let decoder: ParquetDecoder | undefined

port.on('message', (question: Question) => {
  // What is no refusal ends the thread, and parquet.ts hears of it.
  answerOf(question).then(
    (answer) => port.postMessage(answer, answer.is === 'bytes' ? [answer.bytes.buffer] : []),
    (error: unknown) => {
      if (!(error instanceof Refusal)) throw error
      port.postMessage({ is: 'refused', why: sent(error) } satisfies Answer)
    },
  )
})

async function answerOf(question: Question): Promise<Answer> {
  switch (question.is) {
    case 'add':
      return { is: 'bytes', bytes: encoder.add(question.rows) }
    case 'finish':
      return { is: 'bytes', bytes: encoder.finish() }
    case 'open':
      decoder = await ParquetDecoder.open(question.path)
      return { is: 'opened' }
    case 'next': {
      const rows = (await decoder?.next(question.count)) ?? []
      if (rows.length === 0) await decoder?.close()
      return { is: 'rows', rows: rows.map((row) => (row instanceof Refusal ? sent(row) : row)) }
    }
  }
}

function sent({ code, message }: Refusal): SentRefusal {
  return { code, detail: message }
}

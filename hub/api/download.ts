// A file that is made while it is read. Nothing is held but what the client has not taken: the next piece is asked for when the last one has
// gone out, and it ends when the client goes away or stops to read.
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'

export interface DownloadFile {
  /** Without the date and the ending. */
  readonly name: string
  readonly ending: string
  readonly mediaType: string
}

/** So many at a time as `limits.exports` says. */
export class Downloads {
  #open = 0

  /** To be called before anything is asked of the store. Errors: `too-many-transfers`. */
  begin(): void {
    if (this.#open >= limits.exports) throw new Refusal('too-many-transfers', { limit: limits.exports, name: 'exports' })
    this.#open++
  }

  /** Nothing came of it. */
  failed(): void {
    this.#open--
  }

  /** The body of the answer. `make` gets a signal for the client that went away. */
  send(reply: FastifyReply, file: DownloadFile, make: (signal: AbortSignal) => AsyncIterable<Buffer>): Readable {
    const abort = new AbortController()
    const silence = setTimeout(() => reply.raw.destroy(), limits.streamSilenceSeconds * 1000).unref()
    const stream = Readable.from(watched(make(abort.signal), silence), { objectMode: false, highWaterMark: limits.exportChunkBytes })
    const end = () => {
      clearTimeout(silence)
      abort.abort(new Error('The client of an export went away.'))
      stream.destroy()
    }
    reply.raw.once('close', end)
    stream.once('close', end)
    stream.once('close', () => this.#open--)
    stream.on('error', ignore) // the connection is cut, which is how the client learns of it
    if (reply.raw.destroyed) end() // it went while it waited
    reply.headers({
      'content-type': file.mediaType,
      'content-disposition': `attachment; filename="${file.name}-${new Date().toISOString().slice(0, 10)}.${file.ending}"`,
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    return stream
  }
}

/** Each piece that is taken shows that the client reads; between two of them others have their turn. */
async function* watched(pieces: AsyncIterable<Buffer>, silence: NodeJS.Timeout): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    yield piece
    silence.refresh()
    await new Promise(setImmediate)
  }
}

function ignore(): void {}

// A body that is read as it comes: in pieces, unpacked when it is packed, bounded in bytes and in the silence between two of them.
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'

/**
 * The pieces in order. The client is read from only when the next one is asked for.
 *
 * Errors: `body-too-large` when it unpacks to more than `limits.importInflatedBytes`, `stream-silent`, and `request-invalid` when the client
 * breaks off, or says that the body is packed and it is not.
 */
export async function* piecesOf(body: Readable | undefined, headers: IncomingHttpHeaders): AsyncGenerator<Buffer> {
  if (body === undefined) return
  const encoding = headers['content-encoding']?.toLowerCase() ?? 'identity'
  if (encoding === 'identity') yield* piecesWithin(body, 'the body broke off')
  else if (encoding === 'gzip' || encoding === 'x-gzip') yield* unpacked(body)
  else throw new Refusal('request-invalid', { detail: `the content encoding is gzip or none, not ${encoding.slice(0, 64)}` })
}

async function* unpacked(body: Readable): AsyncGenerator<Buffer> {
  const gunzip = createGunzip()
  // Without an end of its own the body was cut, and the unpacker would wait for more.
  const onCut = () => {
    if (!body.readableEnded) gunzip.destroy(new Error('cut'))
  }
  body.once('close', onCut)
  body.on('error', ignore)
  let bytes = 0
  try {
    for await (const piece of piecesWithin(body.pipe(gunzip), 'the body is not gzip, or it broke off')) {
      bytes += piece.length
      const limit = limits.importInflatedBytes
      if (bytes > limit) throw new Refusal('body-too-large', { limit, name: 'importInflatedBytes' })
      yield piece
    }
  } finally {
    body.unpipe(gunzip)
    body.off('close', onCut)
    gunzip.destroy()
  }
}

async function* piecesWithin(stream: Readable, whyBroken: string): AsyncGenerator<Buffer> {
  // Not destroyed when it is left early: an answer still has to go out on the same socket.
  const pieces = stream.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>
  for (;;) {
    const { done, value } = await nextOf(pieces, whyBroken)
    if (done === true) return
    yield value
  }
}

function nextOf(pieces: AsyncIterator<Buffer>, whyBroken: string): Promise<IteratorResult<Buffer>> {
  return new Promise((resolve, reject) => {
    const seconds = limits.streamSilenceSeconds
    const silence = setTimeout(() => reject(new Refusal('stream-silent', { seconds })), seconds * 1000).unref()
    const settle = () => clearTimeout(silence)
    pieces.next().then(
      (piece) => {
        settle()
        resolve(piece)
      },
      () => {
        settle()
        reject(new Refusal('request-invalid', { detail: whyBroken }))
      },
    )
  })
}

function ignore(): void {}

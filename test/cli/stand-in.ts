// A server that stands where a hub would, and does what a hub would rather not.
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { TestContext } from 'node:test'
import { atEnd } from '../kit/at-end.ts'

/** Resolves with its URL. */
export async function listening(t: TestContext, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(t, () => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

// A cable between the browser and the hub that a test can cut, freeze and mend.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export interface Cable {
  /** Where the browser goes instead of to the hub. */
  readonly url: string
  /** Every connection breaks, and no new one comes about. */
  cut(): void
  /** Connections stay open, but nothing passes: what a frozen hub looks like. */
  freeze(): void
  mend(): void
}

export async function openCable(t: TestContext, hubUrl: string): Promise<Cable> {
  const { hostname, port } = new URL(hubUrl)
  const sockets = new Set<Socket>()
  let state: 'whole' | 'cut' | 'frozen' = 'whole'

  const server = createServer((near) => {
    if (state === 'cut') {
      near.destroy()
      return
    }
    const far = connect(Number(port), hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('data', (bytes) => state === 'whole' && other.write(bytes))
      one.on('error', () => {}) // a cut cable is no fault of the test
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const destroyAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  t.after(() => {
    destroyAll()
    server.close()
  })

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      state = 'cut'
      destroyAll()
    },
    freeze() {
      state = 'frozen'
    },
    mend() {
      state = 'whole'
      // Half a conversation cannot go on where it was left.
      destroyAll()
    },
  }
}

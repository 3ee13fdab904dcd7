// A server that says exactly the bytes a test tells it to, and shows exactly the bytes it got.
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export class Stub {
  readonly url: URL
  readonly #sockets: Socket[] = []
  readonly #waiting: ((socket: Socket) => void)[] = []

  constructor(port: number) {
    this.url = new URL(`mqtt://127.0.0.1:${port}`)
  }

  /** The next connection, in the order they came. */
  async connection(): Promise<StubConnection> {
    const socket = this.#sockets.shift() ?? (await new Promise<Socket>((resolve) => this.#waiting.push(resolve)))
    return new StubConnection(socket)
  }

  take(socket: Socket): void {
    const waiting = this.#waiting.shift()
    if (waiting) waiting(socket)
    else this.#sockets.push(socket)
  }
}

export class StubConnection {
  readonly socket: Socket
  #bytes = Buffer.alloc(0)
  #heard: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {}) // a client that pulls the cable resets it
    socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#heard()
    })
  }

  say(hex: string): void {
    this.socket.write(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  }

  /** One whole packet as hex. Lengths below 128 are enough here. */
  async packet(): Promise<string> {
    const deadline = AbortSignal.timeout(5000)
    while (this.#bytes.length < 2 || this.#bytes.length < 2 + this.#bytes[1]!) {
      deadline.throwIfAborted()
      await new Promise<void>((resolve) => {
        this.#heard = resolve
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    const end = 2 + this.#bytes[1]!
    const packet = this.#bytes.subarray(0, end)
    this.#bytes = this.#bytes.subarray(end)
    return packet.toString('hex')
  }

  /** What has come and was not asked for. */
  get rest(): string {
    return this.#bytes.toString('hex')
  }
}

export async function startStub(t: TestContext): Promise<Stub> {
  const server = createServer({ noDelay: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const stub = new Stub(typeof address === 'object' && address ? address.port : 0)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    stub.take(socket)
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return stub
}

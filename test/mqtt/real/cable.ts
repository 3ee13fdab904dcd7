// What lies between a client and the hub. It can be pulled, or lose what one side says: what clients meet in the field and cannot be told to do.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { TestHub } from '../../kit/hub.ts'
import type { WireName } from '../../kit/mqtt.ts'

interface Link {
  readonly client: Socket
  readonly hub: Socket
  /** What the hub says here does not arrive. */
  deaf: boolean
  /** Of the hub's CONNACK: whether it had a session for this client. */
  readonly sessionPresent: Promise<boolean>
}

export class Cable {
  readonly wire: WireName
  /** Where the client dials, on 127.0.0.1. */
  readonly port: number
  readonly #links: Link[] = []
  readonly #hubPort: number
  #pulled = false
  #onLost: () => void = () => {}

  /** Between one port of the hub and a free one, for one test. */
  static async lay(t: TestContext, hub: TestHub, wire: WireName): Promise<Cable> {
    const server = createServer({ noDelay: true }, (client) => cable.#join(client))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const hubPort = wire === 'TCP' ? hub.mqttPort : Number(new URL(hub.url).port)
    const cable = new Cable(wire, (server.address() as AddressInfo).port, hubPort)
    t.after(() => {
      cable.pull()
      server.close()
    })
    return cable
  }

  private constructor(wire: WireName, port: number, hubPort: number) {
    this.wire = wire
    this.port = port
    this.#hubPort = hubPort
  }

  get url(): string {
    return this.wire === 'TCP' ? `mqtt://127.0.0.1:${this.port}` : `ws://127.0.0.1:${this.port}/mqtt`
  }

  /** Both ends break, nobody says goodbye, and whoever dials again gets no answer until `mend`. */
  pull(): void {
    this.#pulled = true
    for (const { client, hub } of this.#links.splice(0)) {
      client.destroy()
      hub.destroy()
    }
  }

  mend(): void {
    this.#pulled = false
  }

  /** Loses what the hub says on the connections there are. Settles once something was lost. */
  deafen(): Promise<void> {
    for (const link of this.#links) link.deaf = true
    return new Promise((resolve) => {
      this.#onLost = resolve
    })
  }

  /** The client's end breaks, as when it changes its network; the hub has no way to know. */
  dropClientsEnd(): void {
    for (const link of this.#links) {
      link.deaf = true
      link.client.destroy()
    }
  }

  /** What the hub told the newest connection of its session, for clients that keep it to themselves. */
  sessionPresent(): Promise<boolean> {
    return this.#links.at(-1)?.sessionPresent ?? Promise.reject(new Error('nobody has dialled'))
  }

  #join(client: Socket): void {
    if (this.#pulled) {
      client.destroy()
      return
    }
    const hub = connect({ port: this.#hubPort, host: '127.0.0.1', noDelay: true })
    const link: Link = { client, hub, deaf: false, sessionPresent: readConnack(hub, this.wire) }
    this.#links.push(link)
    for (const socket of [client, hub]) socket.on('error', () => {}) // told by the closing
    client.on('data', (bytes) => hub.write(bytes))
    hub.on('data', (bytes) => {
      if (link.deaf) this.#onLost()
      else client.write(bytes)
    })
    client.on('end', () => link.deaf || hub.end())
    client.on('close', () => link.deaf || hub.destroySoon())
    hub.on('close', () => client.destroySoon())
  }
}

/** Reads along: CONNACK is 0x20, its length, its flags, … and comes first; over WebSocket in the first frame after the upgrade. */
function readConnack(hub: Socket, wire: WireName): Promise<boolean> {
  let said = Buffer.alloc(0)
  return new Promise((resolve) => {
    hub.on('data', function read(bytes) {
      said = Buffer.concat([said, bytes])
      const at = wire === 'TCP' ? 0 : said.indexOf('\r\n\r\n') + 4 + 2 // a short frame has two bytes of header
      if (said[at] !== 0x20 || said.length < at + 4) return
      hub.off('data', read)
      resolve((said.readUInt8(at + 2) & 1) === 1)
    })
  })
}

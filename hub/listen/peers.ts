// Whose address a connection has. Behind a proxy that is named in --trusted-proxy it is the one the proxy says; everyone else has the
// address of their socket, whatever they say.
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, type Socket } from 'node:net'
import { forwardedFor } from './forwarded.ts'
import type { Peer } from './proxy-protocol.ts'

export class Peers {
  readonly #trusted: BlockList | undefined
  /** Who stands behind the connections of proxies, by both ends of the socket: TLS and HTTP/2 show other objects with the same ends. */
  readonly #behind = new Map<string, Peer>()

  /** Addresses and networks such as `10.0.0.0/8`. */
  constructor(trustedProxies: readonly string[]) {
    if (trustedProxies.length === 0) return
    this.#trusted = new BlockList()
    for (const network of trustedProxies) {
      const [address = '', prefix] = network.split('/')
      const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
      if (prefix === undefined) this.#trusted.addAddress(address, family)
      else this.#trusted.addSubnet(address, Number(prefix), family)
    }
  }

  /** Whether anyone is a proxy: where nobody is, nothing is looked for. */
  get trusting(): boolean {
    return this.#trusted !== undefined
  }

  trusts(address: string | undefined): boolean {
    if (this.#trusted === undefined || address === undefined) return false
    const family = isIP(address)
    return family !== 0 && this.#trusted.check(address, family === 4 ? 'ipv4' : 'ipv6')
  }

  /** A trusted proxy has said by the PROXY protocol for whom it opened this socket. */
  speaksFor(socket: Socket, peer: Peer): void {
    const ends = endsOf(socket)
    this.#behind.set(ends, peer)
    socket.once('close', () => this.#behind.delete(ends))
  }

  /** Address and port, as shown to people. */
  nameOf(socket: Socket): string {
    const peer = this.#peerOf(socket)
    return peer === undefined ? `${plain(socket.remoteAddress)}:${socket.remotePort}` : `${peer.address}:${peer.port}`
  }

  /** The address of who asks, without a port. Empty once the socket is gone. */
  addressOf(request: IncomingMessage): string {
    const { socket } = request
    const address = this.#peerOf(socket)?.address ?? plain(socket.remoteAddress)
    return (this.trusts(address) ? forwardedFor(request.headers, (proxy) => this.trusts(proxy)) : undefined) ?? address
  }

  /** The same for a connection that goes on after the request, with the port where it is known. */
  nameOfRequest(request: IncomingMessage): string {
    const address = this.addressOf(request)
    const name = this.nameOf(request.socket)
    return name.startsWith(`${address}:`) ? name : address
  }

  #peerOf(socket: Socket): Peer | undefined {
    return this.#behind.size === 0 ? undefined : this.#behind.get(endsOf(socket))
  }
}

/** A socket that listens on `::` shows those of IPv4 as ::ffff:192.0.2.7 (RFC 4291 section 2.5.5.2). */
function plain(address = ''): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '')
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}

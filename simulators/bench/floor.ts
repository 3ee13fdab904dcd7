// The floor: the least a server on this runtime can do. A bare `net` server that finds the packets it must answer, and nothing else: no
// authentication, no session, no topics, no limits, nothing stored. What a hub costs above it is what a hub is for.
// Prints `{"port":N}` when it listens. With a certificate and its key, as files, it listens with TLS.
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { createServer as createSecureServer } from 'node:tls'

interface Peer extends Socket {
  /** Bytes of a packet that is not whole yet. */
  held?: Buffer | undefined
}

const connack = Buffer.of(0x20, 2, 0, 0)
const pingresp = Buffer.of(0xd0, 0)
const subscribers: Peer[] = []

const [certFile, keyFile] = process.argv.slice(2)
const server =
  certFile !== undefined && keyFile !== undefined
    ? createSecureServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, serve)
    : createServer({ noDelay: true }, serve)
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const address = server.address()
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : 0 }))
})
process.on('SIGTERM', () => process.exit(0))

/** Shared functions instead of closures: an idle connection should cost what the runtime needs and no more. */
function serve(socket: Socket): void {
  socket.on('data', onData)
  socket.on('error', ignore)
  socket.on('close', onClose)
}

function ignore(): void {}

function onClose(this: Peer): void {
  const at = subscribers.indexOf(this)
  if (at !== -1) subscribers.splice(at, 1)
}

function onData(this: Peer, chunk: Buffer): void {
  const bytes = this.held === undefined ? chunk : Buffer.concat([this.held, chunk])
  // All PUBACKs of one read go out with one write. A PUBLISH has at least 7 bytes, its PUBACK 4: this is always enough.
  const pubacks = Buffer.allocUnsafe(bytes.length)
  let pubacksEnd = 0
  let publishFrom = -1 // QoS 0 PUBLISHes in a row are passed on with one write
  let at = 0
  for (;;) {
    const second = bytes[at + 1]
    if (second === undefined) break
    let length = second & 0x7f
    let bodyAt = at + 2
    if (second >= 0x80) {
      const third = bytes[at + 2]
      if (third === undefined) break
      length |= third << 7 // two bytes are enough for packets below 16 KiB
      bodyAt++
    }
    const end = bodyAt + length
    if (end > bytes.length) break
    const first = bytes[at]!
    if (first === 0x32) {
      const packetIdAt = bodyAt + 2 + ((bytes[bodyAt]! << 8) | bytes[bodyAt + 1]!)
      pubacks[pubacksEnd++] = 0x40
      pubacks[pubacksEnd++] = 2
      pubacks[pubacksEnd++] = bytes[packetIdAt]!
      pubacks[pubacksEnd++] = bytes[packetIdAt + 1]!
    } else if (first === 0x30) {
      if (publishFrom === -1) publishFrom = at
    } else {
      if (publishFrom !== -1) passOn(bytes.subarray(publishFrom, at))
      publishFrom = -1
      answer(this, first, bytes, bodyAt)
    }
    at = end
  }
  if (publishFrom !== -1) passOn(bytes.subarray(publishFrom, at))
  if (pubacksEnd > 0) this.write(pubacks.subarray(0, pubacksEnd))
  this.held = at === bytes.length ? undefined : bytes.subarray(at)
}

function answer(peer: Peer, first: number, bytes: Buffer, bodyAt: number): void {
  if (first === 0x10) peer.write(connack)
  else if (first === 0xc0) peer.write(pingresp)
  else if (first === 0x82) {
    subscribers.push(peer) // to everything: there is one topic in the scenario that subscribes
    peer.write(Buffer.of(0x90, 3, bytes[bodyAt]!, bytes[bodyAt + 1]!, 0))
  } else if (first === 0xe0) peer.end()
}

function passOn(publishes: Buffer): void {
  for (const subscriber of subscribers) subscriber.write(publishes)
}

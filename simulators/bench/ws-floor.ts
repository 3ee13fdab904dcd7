// The floor of WebSockets: the library the hub is built on, and nothing around it. `/echo` sends back what comes, `/publish` passes it to all
// that came to `/subscribe`. Prints `{"port":N}` when it listens.
import { createServer } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'

const subscribers = new Set<WebSocket>()
const server = createServer()
const sockets = new WebSocketServer({ server })

sockets.on('connection', (socket, { url }) => {
  // Shared functions instead of closures: an idle connection should cost what the library needs and no more.
  socket.on('error', ignore)
  if (url === '/echo') socket.on('message', echo)
  else if (url === '/publish') socket.on('message', publish)
  else {
    subscribers.add(socket)
    socket.on('close', leave)
  }
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const address = server.address()
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : 0 }))
})
process.on('SIGTERM', () => process.exit(0))

function ignore(): void {}

const asText = { binary: false }

function echo(this: WebSocket, message: Buffer): void {
  this.send(message, asText)
}

function publish(this: WebSocket, message: Buffer): void {
  for (const subscriber of subscribers) subscriber.send(message, asText)
}

function leave(this: WebSocket): void {
  subscribers.delete(this)
}

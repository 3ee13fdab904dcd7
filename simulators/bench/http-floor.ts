// The floor of HTTP: the server of the runtime with what the load asks for and nothing around it. GETs are held, as events or as one answer,
// and get the next reading that is posted; a body of lines that stays open gets the number of lines so far. Prints `{"port":N}` when it listens.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

interface Counted extends IncomingMessage {
  lines: number
  response: ServerResponse
}

const streams = new Set<ServerResponse>()
let held: ServerResponse[] = []

const server = createServer({ requestTimeout: 0 }, (request, response) => {
  const { method, url = '' } = request
  if (method === 'POST') {
    if (url.endsWith('/stream')) count(request as Counted, response)
    else collect(request, response)
  } else if (url.startsWith('/v1/messages')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    response.on('close', leave)
    streams.add(response)
  } else held.push(response)
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const address = server.address()
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : 0 }))
})
process.on('SIGTERM', () => process.exit(0))

function leave(this: ServerResponse): void {
  streams.delete(this)
}

function count(request: Counted, response: ServerResponse): void {
  request.lines = 0
  request.response = response
  request.on('data', onLines)
  request.on('end', onLastLine)
  request.on('error', ignore)
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.flushHeaders()
}

function onLines(this: Counted, chunk: Buffer): void {
  for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) this.lines++
  this.response.write(`{"stored":${this.lines}}\n`)
}

function onLastLine(this: Counted): void {
  this.response.end(`{"stored":${this.lines},"refused":0,"done":true}\n`)
}

function ignore(): void {}

function collect(request: IncomingMessage, response: ServerResponse): void {
  let body = ''
  request.setEncoding('utf8').on('data', (text: string) => {
    body += text
  })
  request.on('end', () => {
    for (const stream of streams) stream.write(`data: ${body}\n\n`)
    for (const one of held) one.end(body)
    held = []
    response.end()
  })
}

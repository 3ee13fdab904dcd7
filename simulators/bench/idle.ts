// Many connections that say nothing: what does holding one cost? Afterwards each has to show that it is still served.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Opening, openAll, RawConnection } from './connection.ts'
import { textFrame } from './frames.ts'
import { getRequest, heldOpening, mqttOpening, postRequest, socketOpening, streamOpening } from './opening.ts'
import { pssBytes, readCpu, settled } from './proc.ts'

export interface IdleOptions {
  readonly mode: 'idle'
  readonly port: number
  readonly pid: number
  readonly wire: 'mqtt' | 'mqtts' | 'session' | 'socket' | 'events' | 'poll'
  /** Of `mqtts`: the certificate that has signed the server's. */
  readonly ca?: string
  readonly connections: number
  readonly holdSeconds: number
}

export interface Held {
  readonly clean: boolean
  readonly trouble: string | null
  readonly connections: number
  /** PSS of the server: at rest before the first connection, and at the end of holding all of them. */
  readonly beforeBytes: number
  readonly afterBytes: number
  readonly bytesPerConnection: number
  /** Cores the server used for holding them. */
  readonly cores: number
}

interface Wire {
  opening(index: number, options: IdleOptions): Opening
  /** What each connection says to be answered; without it one reading is posted, which all of them follow. */
  readonly says?: Buffer
  /** What the answer holds. */
  readonly sign: Buffer
}

const topic = 'devices/bench-idle/telemetry'
const filter = encodeURIComponent(topic)
const sign = Buffer.from('"probe":1')
const holdSecondsMax = 60 // what a long-poll may ask for
const answerWithinMs = 15_000

const wires: Readonly<Record<IdleOptions['wire'], Wire>> = {
  mqtt: {
    opening: (index, { port }) => mqttOpening({ port, transport: 'tcp' }, nameOf(index)),
    says: Buffer.of(0xc0, 0),
    sign: Buffer.of(0xd0, 0),
  },
  mqtts: {
    opening: (index, { port, ca }) => mqttOpening({ port, transport: 'tls', ...(ca === undefined ? {} : { ca }) }, nameOf(index)),
    says: Buffer.of(0xc0, 0),
    sign: Buffer.of(0xd0, 0),
  },
  session: { opening: (index, { port }) => socketOpening({ port, speaks: 'mooring.json' }, nameOf(index), topic, '/echo'), sign },
  socket: {
    opening: (index, { port }) => socketOpening({ port, speaks: 'plain' }, nameOf(index), undefined, '/echo'),
    says: textFrame('{"probe":1}'),
    sign,
  },
  events: { opening: (_index, { port }) => streamOpening(port, getRequest(`/v1/messages?filter=${filter}`)), sign },
  poll: {
    opening: (index, { port }) =>
      heldOpening(port, getRequest(`/v1/session/messages?client=${nameOf(index)}&filter=${filter}&wait=${holdSecondsMax}`)),
    sign,
  },
}

export async function idle(options: IdleOptions): Promise<Held> {
  const { pid, port, connections: count, holdSeconds } = options
  const wire = wires[options.wire]
  await settled(pid)
  const beforeBytes = pssBytes(pid)
  const connections = await openAll(count, (index) => wire.opening(index, options), nameOf)
  let lost = 0
  let early = 0
  for (const connection of connections) {
    connection.onClosed = () => lost++
    connection.onBytes = (bytes, from, to) => {
      if (bytes.subarray(from, to).includes(wire.sign)) early++
    }
  }
  await settled(pid)
  const before = readCpu(pid).seconds
  await sleep(holdSeconds * 1000)
  const cores = (readCpu(pid).seconds - before) / holdSeconds
  const afterBytes = pssBytes(pid)
  const isWhole = lost === 0 && early === 0
  const deaf = isWhole ? count - (await answered(connections, wire, port)) : 0
  for (const connection of connections) connection.close()
  const troubles = [
    ...(lost > 0 ? [`${lost} connections were closed`] : []),
    ...(early > 0 ? [`${early} were answered before their time`] : []),
    ...(deaf > 0 ? [`${deaf} were not answered`] : []),
  ]
  return {
    clean: troubles.length === 0,
    trouble: troubles.length === 0 ? null : troubles.join(', '),
    connections: count,
    beforeBytes,
    afterBytes,
    bytesPerConnection: (afterBytes - beforeBytes) / count,
    cores,
  }
}

/** How many of them are served still. */
async function answered(connections: readonly RawConnection[], wire: Wire, port: number): Promise<number> {
  let count = 0
  for (const connection of connections) {
    connection.onBytes = (bytes, from, to) => {
      if (!bytes.subarray(from, to).includes(wire.sign)) return
      connection.onBytes = () => {}
      count++
    }
  }
  if (wire.says === undefined) await post(port)
  else for (const connection of connections) connection.write(wire.says)
  for (const deadlineMs = performance.now() + answerWithinMs; count < connections.length && performance.now() < deadlineMs; )
    await sleep(10)
  return count
}

async function post(port: number): Promise<void> {
  const connection = await RawConnection.open(
    heldOpening(port, postRequest('/v1/devices/bench-idle/telemetry', '{"probe":1}')),
    'bench-post',
  )
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('The reading that all follow was not answered within 10 s.')), 10_000)
    connection.onBytes = (bytes, from) => {
      clearTimeout(timer)
      if (bytes.toString('latin1', from, from + 10) === 'HTTP/1.1 2') resolve()
      else reject(new Error(`The reading that all follow was answered with ${bytes.toString('latin1', from, from + 200)}`))
    }
  })
  connection.close()
}

function nameOf(index: number): string {
  return `bench-${index}`
}

// `npm run bench -- logins`: what it costs a hub to find out who comes. A fleet that comes by tokens all at once; and a storm of wrong passwords,
// each from an address of its own, while others publish and log in.
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ArgumentError } from '../arguments.ts'
import { Histogram } from '../histogram.ts'
import { type HubProcess, startHubProcess } from '../hub-process.ts'
import { openAll, RawConnection } from './connection.ts'
import { type Credentials, connectPacket, mqttOpening } from './opening.ts'
import { readCpu, settled } from './proc.ts'
import { Ring } from './ring.ts'

interface LoginOptions {
  readonly help: boolean
  readonly devices: number
  readonly wrongPerSecond: number
  readonly seconds: number
}

const help = `What it costs a hub to find out who comes.

npm run bench -- logins [--devices 10000] [--wrong 5000] [--seconds 10]

First all devices come by tokens, as fast as they are let in. Then some of them publish, QoS 1, while others come by their tokens: for a while
with nobody else there, and for as long with --wrong connections a second that bring a wrong password.`

const publishersMax = 100
const publishEveryMs = 100
const loginEveryMs = 50
const setUpAtATime = 32
/** As many may be under way; what a slow hub does not get to is not counted as sent. */
const wrongAtATime = 1000

export async function benchLogins(argv: readonly string[]): Promise<void> {
  const options = readLoginOptions(argv)
  if (options.help) {
    console.log(help)
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'mooring-bench-logins-'))
  const ports = ['--mqtt-port', '0', '--http-port', '0', '--mqtts-port', 'off', '--https-port', 'off']
  const hub = await startHubProcess([...ports, '--data', folder, '--log-level', 'error'])
  try {
    const tokens = await makeTokens(hub, options.devices)
    console.log(await allAtOnce(hub, tokens))
    const quiet = await others(hub, tokens, options.seconds, 0)
    const storm = await others(hub, tokens, options.seconds, options.wrongPerSecond)
    for (const [name, { wrong, acks, logins, cores }] of [['nobody else', quiet] as const, ['the storm', storm] as const]) {
      const of = (histogram: Histogram) =>
        `p50 ${histogram.percentileMs(0.5).toFixed(1)}, p99 ${histogram.percentileMs(0.99).toFixed(1)}, longest ${histogram.maxMs.toFixed(1)} ms`
      const rate = `${Math.round(wrong / options.seconds)} wrong passwords/s, ${cores.toFixed(2)} cores`
      console.log(
        `${name}: ${rate}\n  acknowledgement of a reading: ${of(acks)} (${acks.count})\n  login by token: ${of(logins)} (${logins.count})`,
      )
    }
  } finally {
    await hub.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const nameOf = (index: number) => `bench-${index}`

/** A token each, by the API. */
async function makeTokens(hub: HubProcess, count: number): Promise<string[]> {
  const tokens: string[] = []
  let next = 0
  const some = async () => {
    for (let at = next++; at < count; at = next++) {
      await post(hub, '/v1/devices', { id: nameOf(at) })
      const { secret } = await post<{ secret: string }>(hub, `/v1/devices/${nameOf(at)}/credentials`, { kind: 'token' })
      tokens[at] = secret
    }
  }
  await Promise.all(Array.from({ length: setUpAtATime }, some))
  return tokens
}

async function post<T>({ http }: HubProcess, path: string, body: object): Promise<T> {
  const answer = await fetch(`http://127.0.0.1:${http}${path}`, { method: 'POST', body: JSON.stringify(body) })
  if (answer.status !== 200) throw new Error(`${path}: ${await answer.text()}`)
  return (await answer.json()) as T
}

function openingOf({ mqtt }: HubProcess, tokens: readonly string[], index: number) {
  return mqttOpening({ port: mqtt, transport: 'tcp' }, nameOf(index), { username: nameOf(index), password: tokens[index]! })
}

async function allAtOnce(hub: HubProcess, tokens: readonly string[]): Promise<string> {
  await settled(hub.pid)
  const [before, ownBefore, beganAtMs] = [readCpu(hub.pid), process.cpuUsage(), performance.now()]
  const connections = await openAll(tokens.length, (index) => openingOf(hub, tokens, index), nameOf, Number.POSITIVE_INFINITY)
  const seconds = (performance.now() - beganAtMs) / 1000
  const own = process.cpuUsage(ownBefore)
  await settled(hub.pid)
  const spent = readCpu(hub.pid).seconds - before.seconds
  for (const connection of connections) connection.close()
  const each = `${Math.round((spent / tokens.length) * 1e6)} µs each`
  const clients = ((own.user + own.system) / 1e6).toFixed(2)
  return `${tokens.length} logins by token in ${seconds.toFixed(2)} s; CPU of the hub ${spent.toFixed(2)} s, ${each}, of the clients ${clients} s`
}

interface Others {
  /** Wrong passwords that were refused. */
  readonly wrong: number
  readonly acks: Histogram
  readonly logins: Histogram
  /** Of the hub. */
  readonly cores: number
}

async function others(hub: HubProcess, tokens: readonly string[], seconds: number, wrongPerSecond: number): Promise<Others> {
  await settled(hub.pid)
  const until = performance.now() + seconds * 1000
  const [acks, logins] = [new Histogram(), new Histogram()]
  const publishers = Math.min(publishersMax, tokens.length >> 1)
  const connections = await openAll(publishers, (index) => openingOf(hub, tokens, index), nameOf)
  const before = readCpu(hub.pid).seconds
  const [wrong] = await Promise.all([
    storm(hub, wrongPerSecond, until),
    logInAgainAndAgain(hub, tokens, publishers, logins, until),
    ...connections.map((connection, index) => publishUntil(connection, index, (index / publishers) * publishEveryMs, acks, until)),
  ])
  const cores = (readCpu(hub.pid).seconds - before) / seconds
  for (const connection of connections) connection.close()
  return { wrong, acks, logins, cores }
}

/** One reading in flight, at its time: what is late counts from when it was due. */
async function publishUntil(connection: RawConnection, index: number, offsetMs: number, acks: Histogram, until: number): Promise<void> {
  const ring = new Ring(`devices/${nameOf(index)}/telemetry`, 1, 1)
  let sentAtMs = 0
  let acknowledged = () => {}
  connection.onBytes = () => {
    acks.record((performance.now() - sentAtMs) * 1000)
    acknowledged()
  }
  for (let message = 1, dueMs = performance.now() + offsetMs; dueMs < until; message++, dueMs += publishEveryMs) {
    await sleep(Math.max(0, dueMs - performance.now()))
    ring.write(0, message, 1 + (message % 1000))
    sentAtMs = dueMs
    const answered = new Promise<void>((resolve) => {
      acknowledged = resolve
    })
    connection.write(ring.bytes)
    await answered
  }
}

/** Those after the first `from`, in turn. */
async function logInAgainAndAgain(
  hub: HubProcess,
  tokens: readonly string[],
  from: number,
  logins: Histogram,
  until: number,
): Promise<void> {
  for (let index = from; performance.now() < until; index = index + 1 < tokens.length ? index + 1 : from) {
    const beganAtMs = performance.now()
    const connection = await RawConnection.open(openingOf(hub, tokens, index), nameOf(index))
    logins.record((performance.now() - beganAtMs) * 1000)
    connection.close()
    await sleep(loginEveryMs)
  }
}

/** Resolves with how many were refused. */
async function storm({ mqtt }: HubProcess, perSecond: number, until: number): Promise<number> {
  let [sent, open, refused] = [0, 0, 0]
  const beganAtMs = performance.now()
  while (performance.now() < until && perSecond > 0) {
    const due = ((performance.now() - beganAtMs) / 1000) * perSecond
    for (; sent < due && open < wrongAtATime; sent++) {
      open++
      void comeWrongly(mqtt, sent).then(() => {
        open--
        refused++
      })
    }
    await sleep(2)
  }
  return refused
}

/** From an address of its own: all of 127.0.0.0/8 is this machine. */
async function comeWrongly(port: number, at: number): Promise<void> {
  const localAddress = `127.${1 + ((at >> 16) & 0x7f)}.${(at >> 8) & 0xff}.${1 + (at % 254)}`
  const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true })
  socket.on('error', () => {}).resume()
  const credentials: Credentials = { username: nameOf(at % 10_000), password: `guess-${at}` }
  socket.write(connectPacket(nameOf(at % 10_000), credentials))
  await new Promise((resolve) => socket.once('close', resolve))
}

function readLoginOptions(argv: readonly string[]): LoginOptions {
  const options = { help: false, devices: 10_000, wrongPerSecond: 5000, seconds: 10 }
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!
    const count = () => {
      const value = Number(argv[++at])
      if (!Number.isInteger(value) || value < 1) throw new ArgumentError(`${word} needs a whole number above 0 after it.`)
      return value
    }
    if (word === '--help' || word === '-h') options.help = true
    else if (word === '--devices') options.devices = count()
    else if (word === '--wrong') options.wrongPerSecond = count()
    else if (word === '--seconds') options.seconds = count()
    else throw new ArgumentError(`There is no option ${word}; --help lists them.`)
  }
  return options
}

// `npm run bench -- logins`: what it costs a hub to find out who comes. A fleet that comes by tokens all at once; and storms of wrong passwords
// while others publish and log in: from few addresses, and each from one of its own.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Histogram } from '../histogram.ts'
import { type HubProcess, startHubProcess } from '../hub-process.ts'
import { openAll, RawConnection } from './connection.ts'
import { readCounts } from './counts.ts'
import type { Guessed, GuessOptions } from './guess.ts'
import { startLoad } from './load-process.ts'
import { mqttOpening } from './opening.ts'
import { readCpu, settled } from './proc.ts'
import { Ring } from './ring.ts'

interface LoginOptions {
  readonly help: boolean
  readonly devices: number
  readonly wrongPerSecond: number
  readonly addresses: number
  readonly seconds: number
}

const help = `What it costs a hub to find out who comes.

npm run bench -- logins [--devices 10000] [--wrong 5000] [--addresses 20] [--seconds 10]

First all devices come by tokens, as fast as they are let in. Then some of them publish, QoS 1, while others come by their tokens: for a while
with nobody else there; for as long with --wrong connections a second that bring a wrong password, from --addresses that a proxy says; and once
more with each of them from an address of its own.`

const publishersMax = 100
const publishEveryMs = 100
const loginEveryMs = 50
const setUpAtATime = 32
/** More than guesses. */
const addressesThereAre = 1 << 24

export async function benchLogins(argv: readonly string[]): Promise<void> {
  const options = readLoginOptions(argv)
  if (options.help) {
    console.log(help)
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'mooring-bench-logins-'))
  const ports = ['--mqtt-port', '0', '--http-port', '0', '--mqtts-port', 'off', '--https-port', 'off']
  const proxies = ['--trusted-proxy', '127.0.0.0/8', '--device-connections', 'off'] // so that the storm can say where it comes from
  const hub = await startHubProcess([...ports, ...proxies, '--data', folder, '--log-level', 'error'])
  try {
    const tokens = await makeTokens(hub, options.devices)
    console.log(await allAtOnce(hub, tokens))
    const { wrongPerSecond, addresses, seconds } = options
    for (const [name, perSecond, from] of [
      ['nobody else', 0, 1],
      [`wrong passwords from ${addresses} addresses`, wrongPerSecond, addresses],
      ['wrong passwords, each from another address', wrongPerSecond, addressesThereAre],
    ] as const) {
      const { wrong, acks, logins, cores } = await others(hub, tokens, { seconds, perSecond, addresses: from })
      console.log(`${name}: ${Math.round(wrong / seconds)} refused a second, ${cores.toFixed(2)} cores`)
      console.log(`  acknowledgement of a reading: ${wordsOf(acks)}\n  login by token: ${wordsOf(logins)}`)
    }
  } finally {
    await hub.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function wordsOf(histogram: Histogram): string {
  const [half, most] = [histogram.percentileMs(0.5), histogram.percentileMs(0.99)].map((ms) => ms.toFixed(1))
  return `p50 ${half}, p99 ${most}, longest ${histogram.maxMs.toFixed(1)} ms (${histogram.count})`
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

interface Storm {
  readonly seconds: number
  readonly perSecond: number
  readonly addresses: number
}

async function others(hub: HubProcess, tokens: readonly string[], { seconds, perSecond, addresses }: Storm): Promise<Others> {
  await settled(hub.pid)
  const until = performance.now() + seconds * 1000
  const [acks, logins] = [new Histogram(), new Histogram()]
  const publishers = Math.min(publishersMax, tokens.length >> 1)
  const connections = await openAll(publishers, (index) => openingOf(hub, tokens, index), nameOf)
  const before = readCpu(hub.pid).seconds
  const guesses: GuessOptions = { mode: 'guess', port: hub.mqtt, perSecond, addresses, seconds, devices: tokens.length }
  const guessing = perSecond === 0 ? Promise.resolve({ refused: 0 }) : (startLoad(guesses).outcome as Promise<Guessed>)
  const [{ refused: wrong }] = await Promise.all([
    guessing,
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

function readLoginOptions(argv: readonly string[]): LoginOptions {
  const flags = { devices: '--devices', wrongPerSecond: '--wrong', addresses: '--addresses', seconds: '--seconds' }
  return readCounts(argv, flags, { devices: 10_000, wrongPerSecond: 5000, addresses: 20, seconds: 10 })
}

// A storm of those who guess: others log in as before, and nothing is kept of it. And how long it takes until a fleet is back. Times are
// reported, not judged: they are those of the machine.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import mqttPacket from 'mqtt-packet'
import { startHub, type TestHub } from '../kit/hub.ts'
import { giveDevice, giveKey, type Made } from './kit.ts'

const stormMs = 4000
const guessEveryMs = 10
const guessesAtATime = 4
const logins = 10_000
const atOnce = 50

/** One connection, one CONNECT, its answer, closed. Resolves with the code. */
async function login(hub: TestHub, clientId: string, username: string, password: string): Promise<number> {
  const socket = connect({ port: hub.mqttPort, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {})
  const connack = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId,
    clean: true,
    keepalive: 0,
    username,
    password: Buffer.from(password),
  } as const
  socket.write(mqttPacket.generate(connack))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return answer[3] as number
}

/** Devices share names here, each with credentials of its own: fewer requests to set up, as many logins. */
async function fleet(hub: TestHub, count: number): Promise<Made[]> {
  return Promise.all(Array.from({ length: count }, (_, at) => giveDevice(hub, `fleet-${at}`)))
}

const p = (times: readonly number[], share: number) =>
  Math.round([...times].sort((a, b) => a - b)[Math.floor(times.length * share)] as number)

async function goodLogins(hub: TestHub, good: Made, whileMs: number): Promise<number[]> {
  const times: number[] = []
  const endMs = performance.now() + whileMs
  while (performance.now() < endMs) {
    const startMs = performance.now()
    assert.equal(await login(hub, 'good', 'x', good.secret), 0, 'the good one is let in')
    times.push(performance.now() - startMs)
    await new Promise((resolve) => setTimeout(resolve, 20)) // as many as a fleet that trickles in
  }
  return times
}

test('a storm of wrong tokens and wrong passwords leaves a good token as quick as before, and nothing behind', {
  timeout: 60_000,
}, async (t: TestContext) => {
  const hub = await startHub(t, { deviceConnections: undefined }) // one device comes again and again here
  const good = await giveDevice(hub, 'good')
  await giveKey(hub, 'person', { kind: 'password', name: 'person', password: 'correct horse battery' })
  const calm = await goodLogins(hub, good, 500)
  const heapBefore = process.memoryUsage().rss
  const refused = new Map<number, number>()
  const guesses: Promise<void>[] = []
  let count = 0
  const guess = async () => {
    const at = ++count
    const isToken = at % 2 === 0
    const name = at % 4 === 1 ? 'person' : `nobody-${at}`
    const code = await login(hub, `guess-${at}`, name, isToken ? `mrg_${`${at}`.padStart(43, 'A')}` : `wrong password ${at}`)
    refused.set(code, (refused.get(code) ?? 0) + 1)
  }
  const timer = setInterval(() => {
    for (let at = 0; at < guessesAtATime; at++) guesses.push(guess())
  }, guessEveryMs)
  t.after(() => clearInterval(timer))
  const stormy = await goodLogins(hub, good, stormMs)
  clearInterval(timer)
  await Promise.all(guesses)
  assert.equal(refused.get(0), undefined, 'no guess was let in')
  t.diagnostic(`${count} guesses in ${stormMs} ms; codes ${JSON.stringify([...refused])}`)
  t.diagnostic(
    `a good token, median and 99 %: ${p(calm, 0.5)} and ${p(calm, 0.99)} ms before, ${p(stormy, 0.5)} and ${p(stormy, 0.99)} ms in the storm`,
  )
  t.diagnostic(`memory of hub and test: ${Math.round((process.memoryUsage().rss - heapBefore) / 1e6)} MB more`)
  const { figures, limits } = (await hub.get('/v1/hub')) as {
    figures: { connections: number }
    limits: { name: string; used: number | null }[]
  }
  assert.equal(figures.connections, 0)
  assert.equal(limits.find(({ name }) => name === 'sessions')?.used, 0)
  const { entries } = (await hub.get('/v1/audit?limit=1000')) as { entries: { outcome: string }[] }
  const failures = entries.filter(({ outcome }) => outcome === 'refused').length
  t.diagnostic(`${failures} entries of the audit log`)
  assert.ok(failures < count / 2, 'guesses do not fill the audit log')
})

test(`${logins} logins by token`, { timeout: 120_000 }, async (t: TestContext) => {
  const hub = await startHub(t, { deviceConnections: undefined }) // one device comes again and again here
  const made = await fleet(hub, 100)
  let next = 0
  const startMs = performance.now()
  const work = async () => {
    while (next < logins) {
      const at = next++
      const which = at % made.length
      assert.equal(await login(hub, `fleet-${which}:${at}`, 'x', (made[which] as Made).secret), 0)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  const seconds = (performance.now() - startMs) / 1000
  t.diagnostic(`${logins} logins in ${seconds.toFixed(1)} s, connections of their own, ${atOnce} at a time; clients on the same core`)
})

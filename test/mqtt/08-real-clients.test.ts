// The clients people have on their machines: mosquitto_pub and mosquitto_sub.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { hubOfFile, moor } from '../kit/mqtt.ts'

const installed = spawnSync('mosquitto_pub', ['--help']).error === undefined && spawnSync('mosquitto_sub', ['--help']).error === undefined
const skip = installed ? false : 'mosquitto_pub and mosquitto_sub are not installed (Debian: apt install mosquitto-clients)'
const hub = await hubOfFile()
const port = `${hub.mqttPort}`

/** Runs mosquitto_pub to its end; throws what it said when it failed. */
async function publish(...args: string[]): Promise<void> {
  const child = spawn('mosquitto_pub', ['-p', port, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const [code] = await once(child, 'exit')
  assert.equal(code, 0, said)
}

/** Starts mosquitto_sub and waits until it is subscribed: it prints the retained message of one more topic. */
async function subscribe(t: TestContext, ...args: string[]): Promise<{ child: ChildProcess; line(): Promise<string> }> {
  await publish('-t', '08/ready', '-q', '1', '-r', '-m', 'ready')
  const child = spawn('mosquitto_sub', ['-p', port, '-t', '08/ready', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null && child.kill()) await once(child, 'exit')
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const line = async (): Promise<string> => (await lines.next()).value ?? assert.fail('mosquitto_sub has ended')
  assert.match(await line(), /ready$/)
  return { child, line }
}

for (const [protocol, version] of [
  ['mqttv31', 3],
  ['mqttv311', 4],
  ['mqttv5', 5],
] as const) {
  test(`mosquitto_pub reaches mosquitto_sub with ${protocol} at every QoS`, { skip, timeout: 10_000 }, async (t) => {
    const topic = `08/${protocol}`
    const { line } = await subscribe(t, '-V', protocol, '-t', topic, '-q', '2', '-F', '%q %p')
    for (const qos of ['0', '1', '2']) {
      await publish('-V', protocol, '-t', topic, '-q', qos, '-m', 'hello')
      assert.equal(await line(), `${qos} hello`)
    }
  })

  test(`a message that mosquitto_pub retains with ${protocol} is there for mosquitto_sub later`, { skip, timeout: 10_000 }, async (t) => {
    const topic = `08/retained/${protocol}`
    await publish('-V', protocol, '-t', topic, '-q', '1', '-r', '-m', 'kept')
    const { line } = await subscribe(t, '-V', protocol, '-t', topic, '-q', '1', '-F', '%r %p')
    assert.equal(await line(), '1 kept')
    await publish('-V', protocol, '-t', topic, '-q', '1', '-r', '-n')
    assert.equal(await line(), '0 ')
  })

  test(`the will of a mosquitto_sub that is killed is published with ${protocol}`, { skip, timeout: 10_000 }, async (t) => {
    const topic = `08/will/${protocol}`
    const watcher = await moor(t, hub, `watcher-${protocol}`, version)
    await watcher.subscribe(topic, { qos: 1 })
    const will = ['--will-topic', topic, '--will-payload', 'killed', '--will-qos', '1']
    const { child } = await subscribe(t, '-V', protocol, '-t', '08/nothing', ...will)
    child.kill('SIGKILL')
    assert.deepEqual(await watcher.texts(1), ['killed'])
  })
}

test('mosquitto_sub with a lasting session finds what it missed', { skip, timeout: 10_000 }, async (t) => {
  const args = ['-V', 'mqttv5', '-i', 'sleeper', '-c', '-x', '600', '-t', '08/missed', '-q', '1']
  const { child } = await subscribe(t, ...args)
  child.kill('SIGTERM')
  await once(child, 'exit')
  for (const text of ['one', 'two', 'three']) await publish('-t', '08/missed', '-q', '1', '-m', text)
  const back = spawn('mosquitto_sub', ['-p', port, ...args, '-C', '3'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let heard = ''
  back.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  await once(back, 'close')
  assert.equal(heard, 'one\ntwo\nthree\n')
})

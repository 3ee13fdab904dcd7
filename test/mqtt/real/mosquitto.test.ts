// The programs of mosquitto-clients, which people have on their machines: mosquitto_pub, mosquitto_sub and mosquitto_rr. TCP is all they speak.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { hubOfFile, moor, type Version } from '../../kit/mqtt.ts'
import { behavesAtTheHub } from './behaviours.ts'
import { type Heard, Inbox, type Listener, type Opening, type RealClient, within } from './client.ts'

const programs = ['mosquitto_pub', 'mosquitto_sub', 'mosquitto_rr']
const missing = programs.filter((program) => spawnSync(program, ['--help']).error !== undefined)
const versionArgs: Readonly<Record<Version, string>> = { 3: 'mqttv31', 4: 'mqttv311', 5: 'mqttv5' }

/** Runs a program to its end; returns what it printed, throws what it said when it failed. */
async function run(program: string, args: readonly string[], input: Buffer = Buffer.alloc(0)): Promise<string> {
  const child = spawn(program, args, { stdio: 'pipe' })
  let printed = ''
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stdin.end(input)
  const [code] = await within(`the end of ${program}`, once(child, 'close'))
  assert.equal(code, 0, said)
  return printed
}

/** What every program of the family is told of the connection. */
function connectionArgs(port: number, { clientId, version, lasting = false, will }: Opening): string[] {
  const args = ['-h', '127.0.0.1', '-p', `${port}`, '-V', versionArgs[version], '-i', clientId]
  if (lasting) args.push('-c', ...(version === 5 ? ['-x', '600'] : []))
  if (will !== undefined) {
    args.push('--will-topic', will.topic, '--will-payload', will.payload, '--will-qos', `${will.qos}`)
    if (will.retain) args.push('--will-retain')
  }
  return args
}

/** mosquitto_sub, subscribed. It does not say when it is: it is also told of a topic that has a retained message. */
async function subscribe(t: TestContext, format: string, args: readonly string[]) {
  const child = spawn('mosquitto_sub', [...args, '-t', 'ready', '-F', `%t ${format}`], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.after(() => end(child, 'SIGKILL'))
  const lines = new Inbox<string>('a line of mosquitto_sub')
  const ready = new Promise<void>((resolve) => {
    createInterface(child.stdout).on('line', (line) => {
      if (line.startsWith('ready ')) resolve()
      else lines.put(line)
    })
  })
  await within('a subscription', ready)
  return { child, lines }
}

/** A line of `%q %r %x`. */
function heardOf(line: string): Heard {
  const [topic = '', qos, retain, hex = ''] = line.split(' ')
  return { topic, payload: Buffer.from(hex, 'hex'), qos: Number(qos), retain: retain === '1' }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.kill(signal)) await once(child, 'exit')
}

const mosquitto: RealClient = {
  name: 'mosquitto_sub and mosquitto_pub:',
  versions: [3, 4, 5],
  wires: ['TCP'],
  goodbyeAsksForWill: [5],

  async listen(t, cable, opening, filter, qos): Promise<Listener> {
    const start = () => subscribe(t, '%q %r %x', [...connectionArgs(cable.port, opening), '-t', filter, '-q', `${qos}`])
    let { child, lines } = await start()
    return {
      sessionPresent: await cable.sessionPresent(),
      next: async () => heardOf(await lines.next()),
      leave: () => end(child, 'SIGTERM'),
      async comeBack() {
        await end(child, 'SIGKILL')
        ;({ child, lines } = await start())
        return cable.sessionPresent()
      },
    }
  },

  async publish(_t, cable, opening, { topic, payloads, qos, retain = false }) {
    const args = [...connectionArgs(cable.port, opening), '-t', topic, '-q', `${qos}`, ...(retain ? ['-r'] : [])]
    const [only] = payloads
    if (payloads.length > 1) await run('mosquitto_pub', [...args, '-l'], Buffer.from(`${payloads.join('\n')}\n`))
    else if (only?.length === 0) await run('mosquitto_pub', [...args, '-n'])
    else await run('mosquitto_pub', [...args, '-s'], only)
  },
}

if (missing.length > 0) {
  test('mosquitto_pub, mosquitto_sub and mosquitto_rr', {
    skip: `not installed: ${missing.join(', ')} (Debian: apt install mosquitto-clients)`,
  })
} else {
  const hub = await hubOfFile()
  const port = `${hub.mqttPort}`
  await run('mosquitto_pub', ['-p', port, '-t', 'ready', '-r', '-q', '1', '-m', 'ready'])
  behavesAtTheHub(mosquitto, hub)

  for (const version of [4, 5] as const) {
    test(`mosquitto_rr asks and is answered (MQTT level ${version})`, { timeout: 10_000 }, async (t) => {
      const responder = await moor(t, hub, `responder-${version}`, version)
      await responder.subscribe(`rr/${version}/ask`, { qos: 2 })
      const where = ['-h', '127.0.0.1', '-p', port, '-V', versionArgs[version], '-q', '1', '-W', '5']
      const answered = run('mosquitto_rr', [...where, '-t', `rr/${version}/ask`, '-e', `rr/${version}/answer`, '-m', 'how warm'])
      const asked = await responder.next('publish')
      assert.equal(asked.payload.toString(), 'how warm')
      const responseTopic = asked.properties?.responseTopic
      assert.equal(responseTopic, version === 5 ? `rr/${version}/answer` : undefined) // 5: [MQTT-3.3.2-15]
      await responder.publish(responseTopic ?? `rr/${version}/answer`, '61.3', { qos: 1 })
      assert.equal(await answered, '61.3\n')
    })
  }

  test('properties that mosquitto_pub sends in MQTT 5 are shown by mosquitto_sub', { timeout: 10_000 }, async (t) => {
    const given = [
      ['content-type', 'text/plain'],
      ['response-topic', 'properties/answer'],
      ['correlation-data', 'c-1'],
      ['message-expiry-interval', '60'],
      ['payload-format-indicator', '1'],
    ] as const
    const { lines } = await subscribe(t, '%C %R %D %E %F %P %p', ['-p', port, '-V', 'mqttv5', '-t', 'properties', '-q', '1'])
    const args = given.flatMap((property) => ['-D', 'publish', ...property])
    await run('mosquitto_pub', [
      ...['-p', port, '-V', 'mqttv5', '-t', 'properties', '-q', '1', '-m', 'warm', ...args],
      ...['-D', 'publish', 'user-property', 'unit', 'C', '-D', 'publish', 'user-property', 'unit', 'K'],
    ])
    assert.equal(await lines.next(), 'properties text/plain properties/answer c-1 60 1 unit:C unit:K warm')
  })
}

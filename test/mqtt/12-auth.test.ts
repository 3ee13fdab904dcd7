// Enhanced authentication: MQTT 5 sections 3.15 and 4.12, with SCRAM-SHA-256. What the messages of SCRAM may hold stands in scram.test.ts.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, type TestContext, test } from 'node:test'
import type { IConnectPacket } from 'mqtt-packet'
import { WebSocket } from 'ws'
import { limits } from '../../hub/limits.ts'
import { auth, authData, knock, method, prove, proveAgain } from '../kit/auth.ts'
import { HandClock } from '../kit/clock.ts'
import { newFolder, startHub, type TestHub } from '../kit/hub.ts'
import { dial, hubOfFile, moor, mourner, refusalsWith, type TestClient, type WireName } from '../kit/mqtt.ts'
import { lasting } from '../kit/packets.ts'
import { ScramClient, verifierOf } from '../kit/scram.ts'
import { root } from '../kit/sources.ts'

const users = mkdtempSync(join(tmpdir(), 'mooring-users-'))
after(() => rmSync(users, { recursive: true, force: true }))
const scramFile = join(users, 'users.txt')
writeFileSync(scramFile, `anna:${verifierOf('secret')}\nbert:${verifierOf('other')}\n`)

const clock = new HandClock()
const ofFile = { after } as unknown as TestContext
const hub = await startHub(ofFile, { scramFile }, clock)
/** Lets nobody in without a proof, from no address. */
const guarded = await startHub(ofFile, { scramFile, allowAnonymous: 'nobody' })
/** Has no users. */
const open = await hubOfFile()

/** A client that has proven to be anna. */
async function anna(t: TestContext, clientId: string, options: Partial<IConnectPacket> = {}, wire: WireName = 'TCP') {
  const client = await dial(t, hub, 5, wire)
  const connack = await prove(client, clientId, new ScramClient('anna', 'secret'), options)
  assert.equal(connack.reasonCode, 0)
  return Object.assign(client, { connack })
}

describe('before CONNACK', () => {
  for (const wire of ['TCP', 'WebSocket'] as const) {
    test(`a client that knows the password is let in where nobody else is, and the hub proves itself too (${wire})`, async (t) => {
      const client = await dial(t, guarded, 5, wire)
      const scram = new ScramClient('anna', 'secret')
      const connack = await prove(client, `proves-${wire}`, scram) // [MQTT-4.12.0-2], [MQTT-4.12.0-3]
      assert.equal(connack.reasonCode, 0)
      assert.equal(connack.properties?.authenticationMethod, method) // [MQTT-4.12.0-5]
      assert.equal(connack.properties?.authenticationData?.toString(), scram.serverFinal)
      await client.subscribe(`12/${wire}`, { qos: 1 })
      await client.publish(`12/${wire}`, 'hello', { qos: 1 })
      assert.deepEqual(await client.texts(1), ['hello'])
    })

    test(`who does not begin in CONNECT is asked to (${wire})`, async (t) => {
      const client = await dial(t, hub, 5, wire)
      const scram = new ScramClient('anna', 'secret')
      knock(client, `asked-${wire}`, undefined)
      assert.equal(await authData(client, 0x18), '')
      auth(client, 0x18, scram.first)
      auth(client, 0x18, scram.final(await authData(client, 0x18)))
      assert.equal((await client.next('connack')).reasonCode, 0)
      await client.ping()
    })

    test(`every packet may come byte by byte (${wire})`, async (t) => {
      const client = await dial(t, hub, 5, wire)
      const send = client.sendBytes.bind(client)
      client.sendBytes = (bytes) => {
        for (const byte of bytes as Buffer) send(Buffer.of(byte))
      }
      assert.equal((await prove(client, `slow-${wire}`, new ScramClient('anna', 'secret'))).reasonCode, 0)
    })
  }

  test('who proves nothing is not let in, whatever user name and password it brings', async (t) => {
    for (const version of [4, 5] as const) {
      const client = await dial(t, guarded, version)
      const connack = await client.connect(`anonymous-${version}`, { username: 'anna', password: Buffer.from('secret') })
      assert.equal(version === 5 ? connack.reasonCode : connack.returnCode, version === 5 ? 0x86 : 4)
      await client.closed
    }
  })

  test('a hub that lets nobody in without a proof takes WebSockets under any name, as one does that lets this machine in: it asks for the proof at CONNECT', async (t) => {
    const statusOf = (of: TestHub) => {
      const socket = new WebSocket(`${of.url.replace('http', 'ws')}/mqtt`, 'mqtt', { headers: { host: 'hub.example:8080' } })
      t.after(() => socket.terminate())
      return new Promise((resolve) => {
        socket.once('upgrade', ({ statusCode }) => resolve(statusCode))
        socket.once('unexpected-response', (_, { statusCode }) => resolve(statusCode))
        socket.once('error', () => {}) // the refusal again
      })
    }
    assert.deepEqual([await statusOf(guarded), await statusOf(hub)], [101, 101])
  })

  test('a client without a method is told of none', async (t) => {
    const { connack } = await moor(t, open, 'no method', 5)
    assert.equal(connack.properties?.authenticationMethod, undefined) // [MQTT-4.12.0-6]
    assert.equal(connack.properties?.authenticationData, undefined)
  })

  test('a wrong password and a name that nobody has are refused alike', async (t) => {
    const refused = await refusalsWith(hub, 'authentication-failed')
    const reasons = []
    for (const [name, password] of [
      ['anna', 'wrong'],
      ['carl', 'secret'],
    ] as const) {
      const client = await dial(t, hub, 5)
      const connack = await prove(client, 'guesses', new ScramClient(name, password), { properties: { sessionExpiryInterval: 60 } })
      assert.equal(connack.reasonCode, 0x87) // [MQTT-4.12.0-4]
      assert.equal(connack.properties?.authenticationData, undefined)
      reasons.push(connack.properties?.reasonString?.replace(name, 'NAME'))
      await client.closed
    }
    assert.match(reasons[0] ?? '', /authentication failed: there is no user "NAME", or the password is wrong/)
    assert.equal(reasons[0], reasons[1])
    assert.equal(await refused(), 2)
    const { connack } = await anna(t, 'guesses', { clean: false })
    assert.equal(connack.sessionPresent, false, 'who was refused has no session')
  })

  test('a final message for another nonce is refused, though it is proven', async (t) => {
    const client = await dial(t, hub, 5)
    const scram = new ScramClient('anna', 'secret')
    knock(client, 'nonce', scram.first)
    auth(
      client,
      0x18,
      scram.final(await authData(client, 0x18), (text) => `${text}x`),
    )
    const connack = await client.next('connack')
    assert.equal(connack.reasonCode, 0x87)
    assert.match(connack.properties?.reasonString ?? '', /nonce/)
    await client.closed
  })

  test('a session is resumed by a client that proves itself again, and its messages are there', async (t) => {
    const kept = lasting(5)
    const first = await anna(t, 'returns', kept)
    await first.subscribe('12/kept', { qos: 1 })
    await first.leave()
    const other = await anna(t, 'publishes meanwhile')
    await other.publish('12/kept', 'while you were out', { qos: 1 })
    const second = await anna(t, 'returns', kept)
    assert.equal(second.connack.sessionPresent, true)
    assert.deepEqual(await second.texts(1), ['while you were out'])
  })

  test('the old connection is kept until the new one has proven itself', async (t) => {
    const old = await anna(t, 'contested')
    const thief = await dial(t, hub, 5)
    assert.equal((await prove(thief, 'contested', new ScramClient('anna', 'wrong'))).reasonCode, 0x87)
    await thief.closed
    await old.ping()
    await anna(t, 'contested')
    assert.equal((await old.goodbye())?.code, 0x8e)
  })

  const others: readonly (readonly [what: string, bytes: string])[] = [
    ['PINGREQ', 'c0 00'],
    ['PUBLISH', '30 0b 0006 31322f6f7574 00 6869'],
    ['SUBSCRIBE', '82 09 0001 00 0003 31322f 01'],
    ['UNSUBSCRIBE', 'a2 08 0001 00 0003 31322f'],
    ['PUBACK', '40 02 0001'],
    ['the head of a PUBLISH of 200 KiB', '30 80c00c'],
    ['a second CONNECT', '10 0e 0004 4d515454 05 02 0000 00 0001 61'],
  ]
  for (const [what, bytes] of others) {
    test(`${what} ends the exchange and the connection`, async (t) => {
      const watcher = await anna(t, 'watches what comes too early')
      await watcher.subscribe('12/out')
      const client = await dial(t, hub, 5)
      const scram = new ScramClient('anna', 'secret')
      knock(client, 'hasty', scram.first)
      const challenge = await authData(client, 0x18)
      client.sendBytes(bytes)
      auth(client, 0x18, scram.final(challenge))
      const connack = await client.next('connack')
      assert.equal(connack.reasonCode, 0x82) // [MQTT-3.1.2-30]; for CONNECT [MQTT-3.1.0-2]
      await client.closed
      assert.deepEqual(await watcher.leftovers(), [])
    })
  }

  test('a DISCONNECT ends the exchange without an answer', async (t) => {
    const mistakes = await refusalsWith(hub, 'internal-error')
    for (const properties of [{}, { sessionExpiryInterval: 60 }]) {
      const client = await dial(t, hub, 5)
      knock(client, 'gives up', new ScramClient('anna', 'secret').first)
      await authData(client, 0x18)
      await client.leave(0, properties) // section 4.12
      assert.deepEqual(client.unread, [])
    }
    assert.equal(await mistakes(), 0)
  })

  test('a will is not published for a client that was never let in', async (t) => {
    const { will, gone } = await mourner(t, open, 'nobody')
    const client = await dial(t, open, 5)
    knock(client, 'dies early', undefined, { will })
    assert.equal((await client.next('connack')).reasonCode, 0x8c)
    await client.closed
    const inTheMiddle = await dial(t, hub, 5)
    const watcher = await anna(t, 'watches the will')
    await watcher.subscribe('gone/#')
    knock(inTheMiddle, 'dies in the middle', new ScramClient('anna', 'secret').first, { will })
    await authData(inTheMiddle, 0x18)
    inTheMiddle.pullCable()
    assert.deepEqual(await watcher.leftovers(), [])
    const dies = await moor(t, open, 'dies', 5, { will })
    dies.pullCable()
    assert.equal((await gone()).payload.toString(), 'nobody', 'the one who was let in')
  })

  const wrong: readonly (readonly [what: string, reasonCode: number, name: string, code: number])[] = [
    ['0x19 instead of 0x18', 0x19, method, 0x82], // [MQTT-4.12.0-3]
    ['another method', 0x18, 'SCRAM-SHA-1', 0x82], // [MQTT-4.12.0-5]
    ['0x00, which only a server says', 0x00, method, 0x82], // [MQTT-3.15.2-1]
  ]
  for (const [what, reasonCode, name, code] of wrong) {
    test(`an AUTH with ${what} ends the exchange`, async (t) => {
      const client = await dial(t, hub, 5)
      const scram = new ScramClient('anna', 'secret')
      knock(client, 'wrong-auth', scram.first)
      auth(client, reasonCode, scram.final(await authData(client, 0x18)), name)
      assert.equal((await client.next('connack')).reasonCode, code)
      await client.closed
    })
  }

  test('a method that the hub does not have is refused by name', async (t) => {
    const refused = await refusalsWith(open, 'extended-auth-unsupported')
    const client = await dial(t, open, 5)
    knock(client, 'no users there', 'n,,n=anna,r=abc')
    const connack = await client.next('connack')
    assert.equal(connack.reasonCode, 0x8c) // [MQTT-4.12.0-1]
    assert.match(connack.properties?.reasonString ?? '', /SCRAM-SHA-256 is not supported/)
    await client.closed
    assert.equal(await refused(), 1)
    const lower = await dial(t, hub, 5)
    const refusal = await lower.connect('lower case', { properties: { authenticationMethod: 'scram-sha-256' } })
    assert.equal(refusal.reasonCode, 0x8c)
  })

  test('no connection exchanges more than limits.authenticationSteps packets', async (t) => {
    const client = await dial(t, hub, 5)
    knock(client, 'endless', undefined)
    for (let step = 1; step < limits.authenticationSteps; step++) {
      await authData(client, 0x18)
      auth(client, 0x18, undefined)
    }
    await authData(client, 0x18)
    auth(client, 0x18, new ScramClient('anna', 'secret').first)
    const connack = await client.next('connack')
    assert.equal(connack.reasonCode, 0x87)
    assert.match(connack.properties?.reasonString ?? '', /limits\.authenticationSteps/)
    await client.closed
  })

  test('data longer than limits.authenticationBytes is refused in CONNECT and in AUTH; data as long as it is read', async (t) => {
    const { authenticationBytes } = limits
    const first = (bytes: number) => `n,,n=anna,r=${'x'.repeat(bytes - 'n,,n=anna,r='.length)}`
    const inConnect = await dial(t, hub, 5)
    knock(inConnect, 'long', first(authenticationBytes + 1))
    const connack = await inConnect.next('connack')
    assert.equal(connack.reasonCode, 0x87)
    assert.match(connack.properties?.reasonString ?? '', /limits\.authenticationBytes/)
    await inConnect.closed
    const inAuth = await dial(t, hub, 5)
    knock(inAuth, 'long', first(authenticationBytes))
    await authData(inAuth, 0x18)
    auth(inAuth, 0x18, Buffer.alloc(authenticationBytes + 1, 'x'))
    assert.equal((await inAuth.next('connack')).reasonCode, 0x87)
    await inAuth.closed
  })

  test('an AUTH that declares more than limits.connectBytes is refused by its header', async (t) => {
    const client = await dial(t, hub, 5)
    knock(client, 'declares', new ScramClient('anna', 'secret').first)
    await authData(client, 0x18)
    client.sendBytes('f0 808004') // 64 KiB and a header
    const connack = await client.next('connack')
    assert.equal(connack.reasonCode, 0x95)
    assert.match(connack.properties?.reasonString ?? '', /limits\.connectBytes/)
    await client.closed
  })

  test('a client that has no room for AUTH gets none, and is not let in', async (t) => {
    const client = await dial(t, hub, 5)
    knock(client, 'tiny', new ScramClient('anna', 'secret').first, { properties: { maximumPacketSize: 100 } })
    assert.equal((await client.next('connack')).reasonCode, 0x82) // [MQTT-3.1.2-24]
    await client.closed
    assert.deepEqual(client.unread, [])
  })

  test('the whole exchange has limits.connectSeconds, and no packet adds to it', async (t) => {
    const refused = await refusalsWith(hub, 'connect-timeout')
    const clients = await Promise.all(['silent', 'slow'].map(() => dial(t, hub, 5)))
    const [silent, slow] = clients as [TestClient, TestClient]
    knock(silent, 'silent', new ScramClient('anna', 'secret').first)
    knock(slow, 'slow', undefined, { keepalive: 600 })
    await Promise.all(clients.map((client) => authData(client, 0x18)))
    clock.advance(limits.connectSeconds - 1)
    auth(slow, 0x18, new ScramClient('anna', 'secret').first)
    await authData(slow, 0x18)
    assert.equal(silent.socket.closed, false)
    clock.advance(3)
    for (const client of clients) {
      assert.equal((await client.next('connack')).reasonCode, 0x80)
      await client.closed
    }
    assert.equal(await refused(), 2)
  })

  test('the keep-alive counts from CONNACK on', async (t) => {
    const client = await anna(t, 'keeps alive', { keepalive: 60 })
    clock.advance(limits.connectSeconds + 5)
    await client.ping()
    clock.advance(95)
    assert.equal((await client.goodbye())?.code, 0x8d)
  })
})

describe('while connected', () => {
  test('a client proves itself again, and other packets go on meanwhile', async (t) => {
    const client = await anna(t, 'again')
    await client.subscribe('12/again', { qos: 1 })
    for (let round = 1; round <= 3; round++) {
      const scram = new ScramClient('anna', 'secret')
      auth(client, 0x19, scram.first) // section 4.12.1
      const challenge = await authData(client, 0x18)
      await client.publish('12/again', `in round ${round}`, { qos: 1 })
      assert.deepEqual(await client.texts(1), [`in round ${round}`])
      auth(client, 0x18, scram.final(challenge))
      assert.equal(await authData(client, 0x00), scram.serverFinal)
    }
    await client.ping()
  })

  test('a re-authentication that is begun without data is asked for it', async (t) => {
    const client = await anna(t, 'again, slowly')
    auth(client, 0x19, undefined)
    assert.equal(await authData(client, 0x18), '')
    const scram = new ScramClient('anna', 'secret')
    auth(client, 0x18, scram.first)
    auth(client, 0x18, scram.final(await authData(client, 0x18)))
    assert.equal(await authData(client, 0x00), scram.serverFinal)
  })

  test('a re-authentication that fails closes the connection with 0x87, and the will is published', async (t) => {
    const watcher = await anna(t, 'mourns')
    await watcher.subscribe('12/will')
    const will = { topic: '12/will', payload: Buffer.from('gone'), qos: 0, retain: false } as const
    const client = await anna(t, 'fails', { will })
    await proveAgain(client, new ScramClient('anna', 'wrong'))
    const goodbye = await client.goodbye()
    assert.equal(goodbye?.code, 0x87) // [MQTT-4.12.1-2]
    assert.match(goodbye?.reason ?? '', /password is wrong/)
    assert.deepEqual(await watcher.texts(1), ['gone'])
  })

  test('nobody becomes somebody else', async (t) => {
    const client = await anna(t, 'becomes bert')
    await proveAgain(client, new ScramClient('bert', 'other'))
    const goodbye = await client.goodbye()
    assert.deepEqual([goodbye?.code, goodbye?.reason], [0x87, 'The authentication failed: the connection belongs to another user.'])
    const bert = await dial(t, hub, 5)
    assert.equal((await prove(bert, 'bert himself', new ScramClient('bert', 'other'))).reasonCode, 0)
  })

  const cases: readonly (readonly [what: string, misbehave: (client: TestClient) => void | Promise<void>, reason: RegExp])[] = [
    ['names another method', (client) => auth(client, 0x19, 'n,,n=anna,r=abc', 'SCRAM-SHA-1'), /another method/], // [MQTT-4.12.1-1]
    ['goes on with what was not begun', (client) => auth(client, 0x18, 'n,,n=anna,r=abc'), /not begun/],
    [
      'begins a second exchange inside the first',
      async (client) => {
        auth(client, 0x19, 'n,,n=anna,r=abc')
        await authData(client, 0x18)
        auth(client, 0x19, 'n,,n=anna,r=abc')
      },
      /under way/,
    ],
    [
      'goes on after the end',
      async (client) => {
        const scram = new ScramClient('anna', 'secret')
        await proveAgain(client, scram)
        await authData(client, 0x00)
        auth(client, 0x18, scram.first)
      },
      /not begun/,
    ],
  ]
  for (const [what, misbehave, reason] of cases) {
    test(`an AUTH that ${what} closes the connection with 0x82`, async (t) => {
      const client = await anna(t, what)
      await misbehave(client)
      const goodbye = await client.goodbye()
      assert.equal(goodbye?.code, 0x82)
      assert.match(goodbye?.reason ?? '', reason)
    })
  }

  test('an AUTH of a client that named no method closes the connection with 0x82', async (t) => {
    for (const reasonCode of [0x18, 0x19]) {
      const client = await moor(t, open, `no method ${reasonCode}`, 5)
      auth(client, reasonCode, 'n,,n=anna,r=abc')
      const goodbye = await client.goodbye()
      assert.equal(goodbye?.code, 0x82) // [MQTT-4.12.0-7]
      assert.match(goodbye?.reason ?? '', /without an authentication method in CONNECT/)
    }
  })

  test('the bounds of an exchange hold here as well, for each anew', async (t) => {
    const client = await anna(t, 'bounded')
    for (let round = 0; round < limits.authenticationSteps; round++) {
      const scram = new ScramClient('anna', 'secret')
      await proveAgain(client, scram)
      assert.equal(await authData(client, 0x00), scram.serverFinal)
    }
    auth(client, 0x19, Buffer.alloc(limits.authenticationBytes + 1, 'x'))
    assert.equal((await client.goodbye())?.code, 0x87)
  })
})

describe('the file of users', () => {
  const main = join(root, 'hub', 'main.ts')
  const run = (folder: string, input: string, ...args: string[]) => {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MOORING_')))
    return spawnSync(process.execPath, [main, ...args], {
      cwd: folder,
      env,
      input,
      encoding: 'utf8',
      timeout: 10_000,
      killSignal: 'SIGKILL',
    })
  }
  const start = (folder: string, file: string) =>
    run(folder, '', '--mqtt-port', '0', '--http-port', '0', '--log-level', 'silent', '--scram-file', file)

  test('the line that --scram-user prints lets its user in', async (t) => {
    const folder = newFolder(t)
    const printed = run(folder, 'correct horse\nnot this line\n', '--scram-user', 'dora')
    assert.deepEqual([printed.status, printed.stderr], [0, ''])
    assert.match(printed.stdout, /^dora:SCRAM-SHA-256\$16384:[^\n]+\n$/)
    assert.ok(!existsSync(join(folder, 'data')), 'no hub was started')
    const file = join(folder, 'users.txt')
    writeFileSync(file, printed.stdout + run(folder, 'windows\r\n', '--scram-user=emil').stdout)
    const own: TestHub = await startHub(t, { scramFile: file, allowAnonymous: 'nobody' })
    for (const [name, password] of [
      ['dora', 'correct horse'],
      ['emil', 'windows'],
    ] as const) {
      const client = await dial(t, own, 5)
      assert.equal((await prove(client, name, new ScramClient(name, password))).reasonCode, 0)
    }
  })

  for (const [what, args, input, sentence] of [
    ['without a password', ['--scram-user', 'dora'], '', /needs the password as one line on stdin/],
    ['with an empty password', ['--scram-user', 'dora'], '\n', /A password has at least one character/],
    ['with a name that would be a comment', ['--scram-user', '#dora'], 'x\n', /A user name .+ does not begin with #/],
    ['without a name', ['--scram-user'], 'x\n', /--scram-user needs a value after it/],
  ] as const) {
    test(`--scram-user ${what} ends with exit code 2 and a sentence`, (t) => {
      const { status, stdout, stderr } = run(newFolder(t), input, ...args)
      assert.deepEqual([status, stdout], [2, ''])
      assert.match(stderr, sentence)
      assert.match(stderr, /^mooring: .+\n$/)
    })
  }

  test('a line that cannot be read ends the start with its number, before anything is opened', (t) => {
    const folder = newFolder(t)
    writeFileSync(join(folder, 'users.txt'), `anna:${verifierOf('secret')}\nbert:secret\n`)
    const { status, stdout, stderr } = start(folder, 'users.txt')
    assert.deepEqual([status, stdout], [1, ''])
    assert.match(stderr, /^mooring: users\.txt, line 2: a user is NAME:SCRAM-SHA-256\$ITERATIONS:SALT\$STOREDKEY:SERVERKEY\.\n$/)
    assert.ok(!existsSync(join(folder, 'data')))
  })

  test('a file that is not there, or is a folder, ends the start', (t) => {
    const folder = newFolder(t)
    for (const file of ['absent.txt', '.']) {
      const { status, stderr } = start(folder, file)
      assert.equal(status, 1)
      assert.match(stderr, /^mooring: The users in \S+ \(--scram-file\) cannot be read: .+\n$/)
    }
  })

  test('an empty file lets nobody in', async (t) => {
    const file = join(newFolder(t), 'users.txt')
    writeFileSync(file, '')
    const own = await startHub(t, { scramFile: file, allowAnonymous: 'nobody' })
    const client = await dial(t, own, 5)
    assert.equal((await prove(client, 'early', new ScramClient('anna', 'secret'))).reasonCode, 0x87)
  })
})

// AUTH and enhanced authentication: chapters 3.15 and 4.12 of MQTT 5, and what section 3.1.2 says of them.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import type { IAuthPacket } from 'mqtt-packet'
import { auth, authData, knock, method, prove, proveAgain } from '../../kit/auth.ts'
import { HandClock } from '../../kit/clock.ts'
import { startHub } from '../../kit/hub.ts'
import { lasting } from '../../kit/packets.ts'
import { ScramClient, verifierOf } from '../../kit/scram.ts'
import { statementsOf } from '../../kit/statements.ts'
import { giveKey } from '../../security/kit.ts'
import { packet, text } from './packets.ts'

const users = mkdtempSync(join(tmpdir(), 'mooring-users-'))
after(() => rmSync(users, { recursive: true, force: true }))
const scramFile = join(users, 'users.txt')
writeFileSync(scramFile, `anna:${verifierOf('secret')}\n`)

const clock = new HandClock()
const hub = await startHub({ after } as unknown as TestContext, { scramFile }, clock)
const statement = statementsOf(hub, clock)
/** A password that is right, whoever says it. */
const { secret } = await giveKey(hub, 'tests', { role: 'operator' })
const anna = () => new ScramClient('anna', 'secret')

// ── 3.1.2 ──

statement(
  ['5.0 [MQTT-3.1.2-30]'],
  'between a CONNECT with an authentication method and its CONNACK the hub takes AUTH and DISCONNECT; any other packet ends it and is not done',
  async ({ dial, moor, name }) => {
    const [id, topic] = [name('hasty'), name('t')]
    const watcher = await moor(name('watcher'))
    await watcher.subscribe(topic, { qos: 1 })
    const others = {
      PUBLISH: packet(0x30, `${text(topic)} {} 'early'`),
      'PUBLISH at QoS 1': packet(0x32, `${text(topic)} 0001 {} 'early'`),
      PUBACK: packet(0x40, '0001'),
      PUBREC: packet(0x50, '0001'),
      PUBREL: packet(0x62, '0001'),
      PUBCOMP: packet(0x70, '0001'),
      SUBSCRIBE: packet(0x82, `0001 {} ${text(topic)} 01`),
      UNSUBSCRIBE: packet(0xa2, `0001 {} ${text(topic)}`),
      PINGREQ: packet(0xc0, ''),
    }
    for (const [what, bytes] of Object.entries(others)) {
      for (const isChallenged of [false, true]) {
        const client = await dial()
        const scram = anna()
        client.socket.cork() // with CONNECT in one write, or behind the hub's AUTH
        knock(client, id, scram.first, lasting(5))
        if (isChallenged) {
          client.socket.uncork()
          const serverFirst = await authData(client, 0x18)
          client.sendBytes(bytes)
          auth(client, 0x18, scram.final(serverFirst)) // the proof comes too late
        } else {
          client.sendBytes(bytes)
          client.socket.uncork()
        }
        const connack = await client.next('connack')
        assert.deepEqual([connack.reasonCode, connack.sessionPresent], [0x82, false], what)
        await client.closed
        assert.deepEqual(
          client.unread.map(({ cmd }) => cmd),
          isChallenged ? [] : ['auth'],
          what,
        )
      }
    }
    const leaving = await dial()
    knock(leaving, id, anna().first, lasting(5))
    await authData(leaving, 0x18)
    await leaving.leave()
    assert.deepEqual(leaving.unread, [], 'DISCONNECT is taken without a word')
    assert.equal((await prove(await dial(), id, anna(), { clean: false })).sessionPresent, false, 'nobody was let in before')
    assert.deepEqual(await watcher.leftovers(), [])
  },
)

// ── 3.15 ──

statement(['5.0 [MQTT-3.15.1-1]'], 'an AUTH with reserved bits set is malformed and ends the connection', async ({ moor, name }) => {
  for (let flags = 1; flags < 16; flags++) {
    const client = await moor(name('flags'))
    client.sendBytes(Buffer.from([0xf0 | flags, 6, 0x19, 4, 0x15, 0, 1, 0x78]))
    assert.equal((await client.goodbye())?.code, 0x81)
  }
})

statement(['5.0 [MQTT-3.15.2-1]'], 'an AUTH with a reason code that clients do not have is a protocol error', async ({ moor, name }) => {
  for (const code of [0x00, 0x01, 0x17, 0x1a, 0x80, 0x87, 0x8c, 0xff]) {
    const client = await moor(name('code'))
    client.sendBytes(Buffer.from([0xf0, 6, code, 4, 0x15, 0, 1, 0x78]))
    assert.equal((await client.goodbye())?.code, 0x82, `0x${code.toString(16)}`)
  }
  const short = await moor(name('short'))
  short.sendBytes('f000') // no body: Success, which only a server may say
  assert.equal((await short.goodbye())?.code, 0x82)
})

statement(
  ['5.0 [MQTT-3.15.2-1]'],
  'the hub says AUTH with Continue authentication before the client is let in, and with Success once it has proven itself again',
  async ({ dial, name }) => {
    const client = await dial()
    assert.equal((await prove(client, name('codes'), anna())).reasonCode, 0)
    await proveAgain(client, anna())
    await authData(client, 0x00)
  },
)

statement(
  ['5.0 [MQTT-3.15.2-2]', '5.0 [MQTT-3.15.2-3]'],
  'an AUTH of the hub has no Reason String and no User Property, and so fits a client that takes just it',
  async ({ dial, name }) => {
    const roomy = await dial()
    const scram = anna()
    knock(roomy, name('roomy'), scram.first)
    const packet = await roomy.next('auth')
    assert.deepEqual(Object.keys(packet.properties ?? {}).sort(), ['authenticationData', 'authenticationMethod'])
    const data = packet.properties?.authenticationData as Buffer
    const maximumPacketSize = 2 + 1 + 1 + (3 + method.length) + (3 + data.length)
    const narrow = await dial()
    knock(narrow, name('narrow'), anna().first, { properties: { maximumPacketSize } })
    assert.equal((await authData(narrow, 0x18)).length, data.length)
  },
)

// ── 4.12 ──

statement(
  ['5.0 [MQTT-4.12.0-2]', '5.0 [MQTT-4.12.0-3]'],
  'the hub asks for the proof by an AUTH with Continue authentication, takes it in one with the same code, and in none other',
  async ({ dial, name }) => {
    const client = await dial()
    const scram = anna()
    knock(client, name('exchange'), scram.first)
    const serverFirst = await authData(client, 0x18)
    assert.match(serverFirst, /^r=/)
    auth(client, 0x18, scram.final(serverFirst))
    assert.equal((await client.next('connack')).reasonCode, 0)
    await client.ping()

    const wrong = await dial()
    const other = anna()
    knock(wrong, name('wrong'), other.first)
    auth(wrong, 0x19, other.final(await authData(wrong, 0x18)))
    assert.equal((await wrong.next('connack')).reasonCode, 0x82)
    await wrong.closed
    assert.deepEqual(wrong.unread, [])
  },
)

statement(
  ['5.0 [MQTT-4.12.0-4]'],
  'who fails the proof is told so in CONNACK, closed, and has no session, wherever in the exchange that is',
  async ({ dial, moor, name }) => {
    const id = name('fails')
    const atOnce = await dial()
    knock(atOnce, id, 'neither is this SCRAM', lasting(5))
    const later = await dial()
    const guess = new ScramClient('anna', 'a guess')
    knock(later, id, guess.first, lasting(5))
    auth(later, 0x18, guess.final(await authData(later, 0x18)))
    for (const client of [atOnce, later]) {
      const connack = await client.next('connack')
      assert.deepEqual([connack.reasonCode, connack.sessionPresent], [0x87, false])
      await client.closed
      assert.deepEqual(client.unread, [])
    }
    assert.equal((await moor(id, { clean: false })).connack.sessionPresent, false)
  },
)

statement(
  ['5.0 [MQTT-4.12.0-5]'],
  'every AUTH, and the CONNACK that lets the client in, names the method of its CONNECT',
  async ({ dial, name }) => {
    const client = await dial()
    const connack = await prove(client, name('named'), anna()) // authData asserts it of AUTH
    assert.deepEqual([connack.reasonCode, connack.properties?.authenticationMethod], [0, method])
    await proveAgain(client, anna())
    await authData(client, 0x00)
    const other = await dial()
    knock(other, name('other'), anna().first)
    await authData(other, 0x18)
    auth(other, 0x18, 'x', 'another')
    const refusal = await other.next('connack')
    assert.equal(refusal.reasonCode, 0x82)
    await other.closed
  },
)

statement(
  ['5.0 [MQTT-4.12.1-1]'],
  'who has authenticated by a method does it again by the same one, or is disconnected',
  async ({ dial, name }) => {
    const client = await dial()
    await prove(client, name('same'), anna())
    await proveAgain(client, anna())
    await authData(client, 0x00)
    await client.ping()
    auth(client, 0x19, anna().first, 'another')
    assert.equal((await client.goodbye())?.code, 0x82)
  },
)

statement(
  ['5.0 [MQTT-4.12.1-2]'],
  'who fails to prove itself again is disconnected with the reason, and its connection is closed',
  async ({ dial, name }) => {
    const client = await dial()
    await prove(client, name('again'), anna())
    await proveAgain(client, new ScramClient('anna', 'a guess'))
    assert.equal((await client.goodbye())?.code, 0x87)
  },
)

statement(
  ['5.0 [MQTT-4.12.0-1]'],
  'a client with an authentication method that the hub does not have is told so and closed, and has no session',
  async ({ dial, moor, name }) => {
    const id = name('method')
    for (const authenticationMethod of ['none such', '', 'GS2-KRB5', 'SCRAM-SHA-1', 'scram-sha-256', 'SCRAM-SHA-256-PLUS']) {
      for (const data of [{}, { authenticationData: Buffer.from('n,,n=user,r=nonce') }]) {
        const client = await dial()
        const connack = await client.connect(id, lasting(5, { properties: { authenticationMethod, ...data } }))
        assert.ok([0x8c, 0x87].includes(connack.reasonCode ?? 0), authenticationMethod)
        assert.equal(connack.sessionPresent, false)
        await client.closed
        assert.deepEqual(client.unread, [], 'no AUTH')
      }
    }
    assert.equal((await moor(id, { clean: false })).connack.sessionPresent, false)
  },
)

statement(
  ['5.0 [MQTT-4.12.0-6]'],
  'to a client without an authentication method the hub says none, and sends no AUTH',
  async ({ moor, dial, name }) => {
    for (const options of [{}, { username: 'someone' }, { username: 'someone', password: Buffer.from(secret) }]) {
      const client = await moor(name('plain'), options)
      assert.equal(client.connack.reasonCode, 0)
      assert.equal(client.connack.properties?.authenticationMethod, undefined)
      assert.equal(client.connack.properties?.authenticationData, undefined)
      await client.ping()
      assert.deepEqual(client.unread, [])
    }
    const refused = await dial()
    refused.sendBytes('100d 0004 4d515454 05 03 003c 00 0000') // the reserved flag is set
    const connack = await refused.next('connack')
    assert.deepEqual([connack.reasonCode, connack.properties?.authenticationMethod], [0x81, undefined])
    await refused.closed
    assert.deepEqual(refused.unread, [])
  },
)

statement(
  ['5.0 [MQTT-4.12.0-7]'],
  'an AUTH from a client that named no authentication method is a protocol error, before and after it is let in',
  async ({ moor, dial, name }) => {
    const properties = { authenticationMethod: 'SCRAM-SHA-256', authenticationData: Buffer.from('n,,n=user,r=nonce') }
    for (const reasonCode of [0x18, 0x19]) {
      const client = await moor(name('auth'))
      client.sendPacket({ cmd: 'auth', reasonCode, properties } as IAuthPacket)
      assert.equal((await client.goodbye())?.code, 0x82)
      assert.equal(client.unread.length, 1, 'no AUTH in answer')
      const stranger = await dial()
      stranger.sendPacket({ cmd: 'auth', reasonCode, properties } as IAuthPacket)
      await stranger.closed
      assert.deepEqual(stranger.unread, [])
    }
  },
)

statement(
  ['5.0 [MQTT-4.12.1-1]'],
  'who has not authenticated by a method cannot begin to do it again by one, nor by none',
  async ({ moor, name }) => {
    const methods = ['15 0004 6e6f6e65', '15 000d 534352414d2d5348412d323536', ''] // "none", "SCRAM-SHA-256", and no method at all
    for (const property of methods) {
      const bytes = Buffer.from(property.replaceAll(' ', ''), 'hex')
      const client = await moor(name('again'))
      client.sendBytes(Buffer.concat([Buffer.from([0xf0, 2 + bytes.length, 0x19, bytes.length]), bytes]))
      assert.equal((await client.goodbye())?.code, 0x82)
    }
  },
)

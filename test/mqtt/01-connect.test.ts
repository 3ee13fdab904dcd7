// CONNECT, CONNACK, DISCONNECT and keep-alive: MQTT 5 and 3.1.1 chapters 3.1, 3.2, 3.12, 3.14 and 4.12.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IConnectPacket } from 'mqtt-packet'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { startHub } from '../kit/hub.ts'
import { dial, hubOfFile, moor, refusalsWith } from '../kit/mqtt.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)

for (const version of [3, 4, 5] as const) {
  const of = `(MQTT level ${version})`

  test(`a device that connects for the first time is let in, and nothing is remembered of it ${of}`, async (t) => {
    const { connack } = await moor(t, hub, `new-${version}`, version)
    assert.equal(version === 5 ? connack.reasonCode : connack.returnCode, 0)
    assert.equal(connack.sessionPresent, false) // 5: [MQTT-3.2.2-3]
  })

  // 3.1: section 3.1 asks for 1 to 23 characters. 3.1.1: [MQTT-3.1.3-6], [MQTT-3.1.3-8]. 5: [MQTT-3.1.3-6]
  for (const clean of [true, false]) {
    const welcome = version === 5 || (version === 4 && clean)
    test(`an empty client identifier with clean=${clean} is ${welcome ? 'taken' : 'refused'} ${of}`, async (t) => {
      const client = await dial(t, hub, version)
      const protocol = version === 3 ? '0006 4d5149736470 03' : `0004 4d515454 0${version}`
      client.sendBytes(
        `10 ${version === 4 ? '0c' : version === 5 ? '0d' : '0e'} ${protocol} 0${clean ? 2 : 0} 0000 ${version === 5 ? '00' : ''} 0000`,
      )
      const connack = await client.next('connack')
      if (welcome) {
        await client.ping()
        return
      }
      assert.equal(connack.returnCode, 2)
      await client.closed
    })
  }

  test(`a second CONNECT ends the connection ${of}`, async (t) => {
    const client = await moor(t, hub, `twice-${version}`, version)
    client.sendPacket({ cmd: 'connect', clientId: 'again', clean: true, keepalive: 0, protocolVersion: version } as IConnectPacket)
    const goodbye = await client.goodbye() // 5: [MQTT-3.1.0-2]  3.1.1: [MQTT-3.1.0-2]
    assert.equal(goodbye?.code, version === 5 ? 0x82 : undefined)
  })

  test(`a client that says nothing for one and a half times its keep-alive is dropped; a PINGREQ would have kept it ${of}`, async (t) => {
    const refused = await refusalsWith(hub, 'keep-alive-timeout')
    const silent = await moor(t, hub, `silent-${version}`, version, { keepalive: 10 })
    const pinging = await moor(t, hub, `pinging-${version}`, version, { keepalive: 10 })
    const patient = await moor(t, hub, `patient-${version}`, version, { keepalive: 0 })
    clock.advance(14)
    await silent.ping() // so far it lives, and this is the last it says
    await pinging.ping()
    clock.advance(14)
    await pinging.ping()
    assert.equal(silent.socket.closed, false)
    clock.advance(3)
    const goodbye = await silent.goodbye() // 5: [MQTT-3.1.2-22]  3.1.1: [MQTT-3.1.2-24]
    assert.equal(goodbye?.code, version === 5 ? 0x8d : undefined)
    assert.equal(await refused(), 1)
    await pinging.ping()
    await patient.ping()
  })

  test(`a new connection takes the client identifier over; the old one is told and closed, its will is published ${of}`, async (t) => {
    const watcher = await moor(t, hub, `watcher-${version}`, version)
    await watcher.subscribe(`wills/take-over-${version}`)
    const will = { topic: `wills/take-over-${version}`, payload: Buffer.from('gone'), qos: 0, retain: false } as const
    const refused = await refusalsWith(hub, 'taken-over')
    const old = await moor(t, hub, `contested-${version}`, version, { will })
    const newer = await moor(t, hub, `contested-${version}`, version)
    const goodbye = await old.goodbye() // 5: [MQTT-3.1.4-3]  3.1.1: [MQTT-3.1.4-2]
    assert.equal(goodbye?.code, version === 5 ? 0x8e : undefined)
    assert.equal(await refused(), 1)
    assert.deepEqual(await watcher.texts(1), ['gone'])
    await newer.ping()
    assert.deepEqual(await watcher.leftovers(), [], 'the will is published once')
  })

  test(`a DISCONNECT takes the will back; a lost connection publishes it ${of}`, async (t) => {
    const topic = `wills/leave-${version}`
    const watcher = await moor(t, hub, `will-watcher-${version}`, version)
    await watcher.subscribe(topic, { qos: 1 })
    const will = (payload: string) => ({ topic, payload: Buffer.from(payload), qos: 1, retain: false }) as const
    const polite = await moor(t, hub, `polite-${version}`, version, { will: will('polite') })
    await polite.leave() // 5: [MQTT-3.14.4-3]  3.1.1: [MQTT-3.14.4-3]
    const cut = await moor(t, hub, `cut-${version}`, version, { will: will('cut') })
    cut.pullCable() // 5: [MQTT-3.1.2-8]  3.1.1: [MQTT-3.1.2-8]
    assert.deepEqual(await watcher.texts(1), ['cut'])
  })

  test(`the will of a client that breaks the protocol or falls silent is published ${of}`, async (t) => {
    const topic = `wills/broken-${version}`
    const watcher = await moor(t, hub, `broken-watcher-${version}`, version)
    await watcher.subscribe(topic)
    const will = (payload: string) => ({ topic, payload: Buffer.from(payload), qos: 0, retain: false }) as const
    const rude = await moor(t, hub, `rude-${version}`, version, { will: will('rude') })
    rude.sendBytes('00 00') // there is no packet type 0
    assert.deepEqual(await watcher.texts(1), ['rude'])
    await moor(t, hub, `asleep-${version}`, version, { will: will('asleep'), keepalive: 2 })
    clock.advance(5)
    assert.deepEqual(await watcher.texts(1), ['asleep'])
  })

  test(`a retained will stays for whoever asks later ${of}`, async (t) => {
    const topic = `wills/retained-${version}`
    const watcher = await moor(t, hub, `early-${version}`, version)
    await watcher.subscribe(topic)
    const will = { topic, payload: Buffer.from('offline'), qos: 1, retain: true } as const
    const cut = await moor(t, hub, `cut-retained-${version}`, version, { will })
    cut.pullCable()
    await watcher.next('publish')
    const late = await moor(t, hub, `late-${version}`, version)
    await late.subscribe(topic)
    const [kept] = await late.messages(1)
    assert.deepEqual([kept?.payload.toString(), kept?.retain], ['offline', true]) // 5: [MQTT-3.1.2-15]  3.1.1: [MQTT-3.1.2-17]
  })
}

test('what a device sends together with its CONNECT is answered after the CONNACK', async (t) => {
  for (const version of [4, 5] as const) {
    const client = await dial(t, hub, version)
    const connect = {
      cmd: 'connect',
      clientId: `hasty-${version}`,
      clean: true,
      keepalive: 0,
      protocolVersion: version,
      protocolId: 'MQTT',
    }
    const order: string[] = []
    client.socket.on('data', (chunk: Buffer) => order.push(`0x${chunk[0]?.toString(16)}`))
    client.socket.cork()
    client.sendPacket(connect as IConnectPacket)
    client.acknowledge('pubrel', 9)
    client.socket.uncork()
    await client.next('pubcomp')
    assert.equal(order[0], '0x20') // 5: [MQTT-3.2.0-1]  3.1.1: [MQTT-3.2.0-1]
  }
})

test('in MQTT 5 the hub says its limits at the start', async (t) => {
  const { connack } = await moor(t, hub, 'asks', 5)
  assert.deepEqual(
    { ...connack.properties },
    {
      receiveMaximum: limits.receiveMaximum, // section 3.2.2.3.3
      maximumPacketSize: limits.packetBytes, // section 3.2.2.3.6
      topicAliasMaximum: 32, // section 3.2.2.3.8
    },
  )
})

test('in MQTT 5 a client without an identifier is told the one it was given, which no other client has', async (t) => {
  const first = await moor(t, hub, '', 5)
  const second = await moor(t, hub, '', 5)
  const given = [first, second].map(({ connack }) => connack.properties?.assignedClientIdentifier)
  assert.ok(given.every((id) => typeof id === 'string' && id !== '')) // [MQTT-3.2.2-16]
  assert.notEqual(given[0], given[1])
})

test('in MQTT 5 a session that shall be kept longer than the hub keeps any is told how long it is kept', async (t) => {
  const forEver = await moor(t, hub, 'for-ever', 5, { properties: { sessionExpiryInterval: 0xffffffff } })
  assert.equal(forEver.connack.properties?.sessionExpiryInterval, limits.sessionExpirySeconds) // section 3.2.2.3.2
  const anHour = await moor(t, hub, 'an-hour', 5, { properties: { sessionExpiryInterval: 3600 } })
  assert.equal(anHour.connack.properties?.sessionExpiryInterval, undefined)
})

test('in MQTT 5 a DISCONNECT with code 0x04 has the will published', async (t) => {
  const watcher = await moor(t, hub, 'watcher of 0x04', 5)
  await watcher.subscribe('wills/asked-for')
  const will = { topic: 'wills/asked-for', payload: Buffer.from('as asked'), qos: 0, retain: false } as const
  const client = await moor(t, hub, 'asks for its will', 5, { will })
  await client.leave(0x04) // [MQTT-3.14.4-3], section 3.14.2.1
  assert.deepEqual(await watcher.texts(1), ['as asked'])
})

test('in MQTT 5 an unknown way to authenticate is refused by name', async (t) => {
  const refused = await refusalsWith(hub, 'extended-auth-unsupported')
  const client = await dial(t, hub, 5)
  const connack = await client.connect('kerberos', { properties: { authenticationMethod: 'GS2-KRB5' } })
  assert.equal(connack.reasonCode, 0x8c) // [MQTT-4.12.0-1]
  assert.match(connack.properties?.reasonString ?? '', /GS2-KRB5/)
  await client.closed
  assert.equal(await refused(), 1)
})

test('in MQTT 5 a client that wants no reason strings gets none', async (t) => {
  const client = await dial(t, hub, 5)
  const connack = await client.connect('terse', { properties: { requestProblemInformation: false, authenticationMethod: 'any' } })
  assert.equal(connack.reasonCode, 0x8c)
  assert.equal(connack.properties?.reasonString, undefined) // [MQTT-3.1.2-29]
})

test('in MQTT 5 no goodbye is larger than the packets a client takes', async (t) => {
  const client = await moor(t, hub, 'small-buffer', 5, { properties: { maximumPacketSize: 40 } })
  client.sendBytes('00 00')
  assert.deepEqual(await client.goodbye(), { code: 0x81, reason: '' }) // [MQTT-3.14.2-3]: the reason string gives way
})

test('a protocol level nobody speaks is refused in words of 3.1.1', async (t) => {
  const client = await dial(t, hub, 4)
  client.sendBytes('10 0d 0004 4d515454 06 02 003c 0001 61') // level 6
  const connack = await client.next('connack')
  assert.equal(connack.returnCode, 1) // 3.1.1: [MQTT-3.1.2-2]
  await client.closed
})

test('whatever comes before CONNECT ends the connection without an answer', async (t) => {
  const starts = {
    PINGREQ: 'c0 00',
    PUBLISH: '30 05 0001 61 6869',
    'an HTTP request': Buffer.from('GET / HTTP/1.1\r\n\r\n').toString('hex'),
  }
  for (const [name, bytes] of Object.entries(starts)) {
    const client = await dial(t, hub)
    client.sendBytes(bytes)
    await client.closed // 5: [MQTT-3.1.0-1]  3.1.1: [MQTT-3.1.0-1]
    assert.deepEqual(client.unread, [], name)
  }
})

test('a connection that sends no CONNECT, or half of one, is closed after limits.connectSeconds', async (t) => {
  const refused = await refusalsWith(hub, 'connect-timeout')
  const mute = await dial(t, hub)
  const slow = await dial(t, hub)
  slow.sendBytes('10 0d 0004 4d51')
  const moored = await moor(t, hub, 'was quick enough')
  clock.advance(limits.connectSeconds - 1)
  assert.equal(mute.socket.closed, false)
  clock.advance(3)
  await Promise.all([mute.closed, slow.closed]) // 3.1.1 and 5: section 3.1.4
  assert.equal(await refused(), 2)
  await moored.ping()
})

test('two hundred devices that come at once are all let in', async (t) => {
  const names = Array.from({ length: 200 }, (_, at) => `fleet-${at}`)
  const fleet = await Promise.all(names.map((name, at) => moor(t, hub, name, at % 2 === 0 ? 4 : 5)))
  await Promise.all(fleet.map((client) => client.ping()))
  await Promise.all(fleet.map((client) => client.leave()))
})

test('with --keep-alive-max a client of MQTT 5 that asks for a longer keep-alive, or for none, is given this one', async (t) => {
  const strict = await startHub(t, { keepAliveMaxSeconds: 20 }, clock)
  const join = (clientId: string, version: 4 | 5, keepalive: number) => moor(t, strict, clientId, version, { keepalive })
  const clients = await Promise.all([join('none', 5, 0), join('long', 5, 600), join('short', 5, 15), join('old', 4, 600)])
  assert.deepEqual(
    clients.map(({ connack }) => connack.properties?.serverKeepAlive),
    [20, 20, undefined, undefined],
  ) // section 3.2.2.3.14
  clock.advance(32)
  const [none, long, short, old] = clients
  for (const client of [none, long, short]) assert.equal((await client.goodbye())?.code, 0x8d)
  await old.ping()
})

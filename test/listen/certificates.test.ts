// Certificates from files: what is replaced is in force for new handshakes within a second, and what is bad never is.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls'
import type { Clock } from '../../hub/clock.ts'
import { type CertificateOptions, Certificates } from '../../hub/listen/certificates.ts'
import { secureOptions, type TlsMaterial } from '../../hub/listen/tls-material.ts'
import { atEnd } from '../kit/at-end.ts'
import { type CertificateFiles, filesOf, TestAuthority, type TestCertificate } from '../kit/certificates.ts'
import { HandClock } from '../kit/clock.ts'
import { newFolder } from '../kit/hub.ts'
import { LogLines, within } from '../kit/log.ts'

const dayMs = 24 * 3600 * 1000
const root = await TestAuthority.make('test CA')
const names = ['localhost', '127.0.0.1']
const [first, second] = await Promise.all([root.issue('first', { names }), root.issue('second', { names })])

async function open(t: TestContext, options: CertificateOptions, { log }: LogLines, clock?: Clock): Promise<Certificates> {
  const certificates = await Certificates.open(options, log, clock)
  atEnd(t, () => certificates.close())
  return certificates
}

/** A server that echoes, with these certificates. */
async function serve(t: TestContext, certificates: Certificates): Promise<number> {
  const asksClients = certificates.material.ca !== undefined
  const server = createServer({ ...secureOptions(certificates.material), requestCert: asksClients, rejectUnauthorized: asksClients })
  certificates.onChange((material) => server.setSecureContext(secureOptions(material)))
  const sockets = new Set<TLSSocket>()
  server.on('secureConnection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(t, () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

class Client {
  readonly socket: TLSSocket
  /** The last ticket that it was given, to come back with. */
  session: Buffer | undefined

  constructor(t: TestContext, port: number, options: ConnectionOptions = {}) {
    this.socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: root.cert, ...options })
    this.socket.on('error', () => {})
    this.socket.on('session', (session) => {
      this.session = session
    })
    atEnd(t, () => this.socket.destroy())
  }

  /** What comes back of a word; undefined when the server closes instead. */
  say(word: string): Promise<string | undefined> {
    return within(`the echo of ${word}`, () => {
      return new Promise((resolve) => {
        this.socket.once('data', (chunk) => resolve(chunk.toString()))
        this.socket.once('close', () => resolve(undefined))
        this.socket.write(word)
      })
    })
  }

  get peer(): string {
    return this.socket.getPeerCertificate().subject.CN as string
  }
}

async function peerOf(t: TestContext, port: number): Promise<string> {
  const client = new Client(t, port)
  assert.equal(await client.say('hello'), 'hello')
  return client.peer
}

function nextMaterial(certificates: Certificates): Promise<TlsMaterial> {
  return within('new certificates', () => new Promise((resolve) => certificates.onChange(resolve)))
}

const ways: Readonly<Record<string, (files: CertificateFiles) => void>> = {
  'overwritten in place': (files) => files.writePair(second),
  'renamed over': (files) => {
    for (const what of ['cert', 'key'] as const) {
      writeFileSync(`${files[what]}.new`, second[what])
      renameSync(`${files[what]}.new`, files[what])
    }
  },
  'removed and written anew': (files) => {
    for (const what of ['cert', 'key'] as const) rmSync(files[what])
    files.writePair(second)
  },
}

for (const [way, replace] of Object.entries(ways)) {
  test(`a pair that is ${way} is what new handshakes see within a second, and who is connected stays so`, async (t) => {
    const files = filesOf(t, first)
    const log = new LogLines()
    const certificates = await open(t, files, log)
    const port = await serve(t, certificates)
    const before = new Client(t, port)
    assert.equal(await before.say('before'), 'before')

    const change = nextMaterial(certificates)
    replace(files)
    const replacedMs = performance.now()
    assert.equal((await change).cert, second.cert)
    assert.ok(performance.now() - replacedMs < 1000, `${performance.now() - replacedMs} ms`)

    assert.equal(await peerOf(t, port), 'second')
    assert.equal(await before.say('after'), 'after')
    assert.equal(before.peer, 'first')
    assert.deepEqual([log.at('error'), log.at('warn')], [[], []])
    const line = log.lines.at(-1) as Record<string, unknown>
    const { fingerprint256, validToDate } = new X509Certificate(second.cert)
    assert.deepEqual([line['subject'], line['fingerprint'], line['expires']], ['CN=second', fingerprint256, validToDate.toISOString()])
    assert.match(String(line['names']), /localhost.*127\.0\.0\.1/)
  })
}

test('a folder that a link is turned to, as Kubernetes does it, is in force within a second', async (t) => {
  const folder = newFolder(t)
  for (const [name, pair] of [
    ['1', first],
    ['2', second],
  ] as const) {
    mkdirSync(join(folder, name))
    for (const what of ['cert', 'key'] as const) writeFileSync(join(folder, name, what), pair[what])
  }
  symlinkSync('1', join(folder, '..data'))
  for (const what of ['cert', 'key']) symlinkSync(join('..data', what), join(folder, what))
  const options = { cert: join(folder, 'cert'), key: join(folder, 'key'), ca: '', crl: '', folder, names: [] }
  const certificates = await open(t, options, new LogLines())
  const change = nextMaterial(certificates)
  symlinkSync('2', join(folder, '..new'))
  renameSync(join(folder, '..new'), join(folder, '..data'))
  const turnedMs = performance.now()
  assert.equal((await change).key, second.key)
  assert.ok(performance.now() - turnedMs < 1000, `${performance.now() - turnedMs} ms`)
})

test('a pair of the same size, written in place by a copy that keeps the time of the file, is found all the same', async (t) => {
  let twin = await root.issue('other', { names })
  while (twin.cert.length !== first.cert.length) twin = await root.issue('other', { names })
  const files = filesOf(t, first)
  const write = (pair: TestCertificate) => {
    files.writePair(pair)
    for (const file of [files.cert, files.key]) utimesSync(file, 1_700_000_000, 1_700_000_000)
  }
  write(first)
  const certificates = await open(t, files, new LogLines())
  const change = nextMaterial(certificates)
  write(twin)
  assert.equal((await change).cert, twin.cert)
})

test('half a pair keeps the one before in force, is complained of once, and the other half heals it', async (t) => {
  const files = filesOf(t, first)
  const log = new LogLines()
  const certificates = await open(t, files, log)
  const port = await serve(t, certificates)
  files.write('cert', second.cert)
  await log.until('error', /key\.pem \(--tls-key\) does not belong to the certificate in .*cert\.pem \(--tls-cert\)/)
  assert.equal(await peerOf(t, port), 'first')

  rmSync(files.key)
  await log.until('error', /key\.pem \(--tls-key\) cannot be read: ENOENT/)
  assert.equal(await peerOf(t, port), 'first')

  const change = nextMaterial(certificates)
  files.write('key', second.key)
  await change
  assert.equal(await peerOf(t, port), 'second')
  assert.equal(log.at('error').length, 2)
})

test('a pair whose halves come one shortly after the other is not complained of', async (t) => {
  const files = filesOf(t, first)
  const log = new LogLines()
  const clock = new HandClock()
  const certificates = await open(t, files, log, clock)
  const change = nextMaterial(certificates)
  files.write('cert', second.cert)
  clock.advance(1)
  for (let asked = 0; asked < 50; asked++) await stat(files.cert) // the look that this second brought has been answered before
  files.write('key', second.key)
  const turning = setInterval(() => clock.advance(1), 10)
  await change.finally(() => clearInterval(turning))
  assert.equal(certificates.material.key, second.key)
  assert.deepEqual(log.at('error'), [])
})

test('what is bad in the same way is complained of once, however often it is written, and the pair before may come back', async (t) => {
  const files = filesOf(t, first)
  const log = new LogLines()
  const clock = new HandClock()
  const certificates = await open(t, files, log, clock)
  let changes = 0
  certificates.onChange(() => (changes += 1))
  const look = async () => {
    clock.advance(1)
    for (let asked = 0; asked < 50; asked++) await stat(files.folder) // what the look asked the disk has been answered before
  }
  for (const nothing of ['nothing', 'nothing at all', 'still nothing']) {
    files.write('cert', nothing)
    for (let looks = 0; looks < 3; looks++) await look()
    assert.match(log.at('error').join(), /^[^,]*, those before stay in force: .*cert\.pem \(--tls-cert\) holds no certificate in PEM[^,]*$/)
  }
  files.write('cert', first.cert)
  rmSync(files.key)
  mkdirSync(files.key)
  for (let looks = 0; looks < 3; looks++) await look()
  assert.equal(log.at('error').length, 2)
  assert.match(log.at('error')[1] ?? '', /key\.pem \(--tls-key\) cannot be read: it is no file/)
  rmSync(files.key, { recursive: true })
  files.write('key', first.key)
  for (let looks = 0; looks < 3; looks++) await look()
  assert.match(log.at('info').at(-1) ?? '', /those in force again/)
  assert.equal(log.at('error').length, 2)
  assert.equal(changes, 0)
})

test('a CRL that is replaced ends what a client may do in new handshakes, a resumed one included', async (t) => {
  const [pump, valve] = await Promise.all([root.issue('pump-7'), root.issue('valve-3')])
  const files = filesOf(t, first, { ca: root.cert, crl: await root.revoke([]) })
  const certificates = await open(t, files, new LogLines())
  const port = await serve(t, certificates)
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    const stranger = new Client(t, port, { maxVersion })
    assert.equal(await stranger.say('hello'), undefined)
    const before = new Client(t, port, { ...pump, maxVersion })
    assert.equal(await before.say('before'), 'before')

    const resumed = new Client(t, port, { ...pump, maxVersion, session: before.session as Buffer })
    assert.equal(await resumed.say('again'), 'again')
    assert.equal(resumed.socket.isSessionReused(), true)

    const change = nextMaterial(certificates)
    files.write('crl', await root.revoke([pump.serial]))
    await change
    assert.equal(await new Client(t, port, { ...pump, maxVersion }).say('after'), undefined)
    assert.equal(await new Client(t, port, { ...pump, maxVersion, session: resumed.session as Buffer }).say('after'), undefined)
    assert.equal(await new Client(t, port, { ...valve, maxVersion }).say('after'), 'after')
    assert.equal(await before.say('still'), 'still')

    const back = nextMaterial(certificates)
    files.write('crl', await root.revoke([]))
    await back
  }
})

test('each list of a CRL file counts, and a list that is missing is warned of', async (t) => {
  const other = await TestAuthority.make('other CA')
  const [pump, valve, fan] = await Promise.all([root.issue('pump-7'), other.issue('valve-3'), other.issue('fan-1')])
  const ca = root.cert + other.cert
  const files = filesOf(t, first, { ca, crl: (await root.revoke([])) + (await other.revoke([valve.serial])) })
  const log = new LogLines()
  const certificates = await open(t, files, log)
  const port = await serve(t, certificates)
  assert.equal(await new Client(t, port, pump).say('hello'), 'hello')
  assert.equal(await new Client(t, port, valve).say('hello'), undefined)
  assert.equal(await new Client(t, port, fan).say('hello'), 'hello')
  assert.deepEqual(log.at('warn'), [])
  const change = nextMaterial(certificates)
  files.write('crl', await root.revoke([]))
  await change
  assert.match(log.at('warn').join(), /crl\.pem \(--tls-crl\) holds 1 of the lists that 2 CAs in .*ca\.pem \(--tls-ca\) need/)
})

test('a chain with an intermediate certificate is shown whole', async (t) => {
  const below = await root.makeIntermediate('below')
  const pair = await below.issue('host', { names })
  const files = filesOf(t, { ...pair, cert: `a word between\n${pair.cert}${below.cert}` })
  const port = await serve(t, await open(t, files, new LogLines()))
  assert.equal(await peerOf(t, port), 'host')
})

test('clients without certificates are let in when no CA is given, and public CAs are not trusted for them', async (t) => {
  const certificates = await open(t, filesOf(t, first), new LogLines())
  assert.deepEqual(secureOptions(certificates.material).ca, [])
  assert.equal(await peerOf(t, await serve(t, certificates)), 'first')
})

test('a certificate that ended starts the hub with an error, and never replaces one that is valid', async (t) => {
  const ended = await root.issue('ended', { names, toMs: Date.now() - dayMs })
  const log = new LogLines()
  await open(t, filesOf(t, ended), log)
  assert.match(log.at('error').join(), /cert\.pem \(--tls-cert\) ended on .*: clients that look at it refuse the hub/)

  const files = filesOf(t, first)
  const watched = new LogLines()
  const certificates = await open(t, files, watched)
  files.writePair(ended)
  await watched.until('error', /those before stay in force: .*cert\.pem \(--tls-cert\) ended on/)
  assert.equal(certificates.material.cert, first.cert)
})

test('what ends soon, has not begun or lists too old revocations is warned of once a day', async (t) => {
  const clock = new HandClock()
  const soon = await root.issue('soon', { names, toMs: clock.now() + 10.5 * dayMs })
  const log = new LogLines()
  await open(t, filesOf(t, soon, { ca: root.cert, crl: await root.revoke([], clock.now() + 1.5 * dayMs) }), log, clock)
  assert.match(log.at('warn').join('\n'), /^.*\(--tls-cert\) ends on .*, in 10 days: replace it\.$/)
  clock.advance(23 * 3600)
  assert.equal(log.at('warn').length, 1)
  clock.advance(3600)
  assert.equal(log.at('warn').length, 2)
  clock.advance(24 * 3600)
  assert.equal(log.at('warn').length, 4)
  assert.match(log.at('warn')[3] ?? '', /\(--tls-crl\) should have been replaced by .*each client certificate is refused/)

  const ahead = new LogLines()
  await open(t, filesOf(t, await root.issue('ahead', { names, fromMs: Date.now() + dayMs })), ahead)
  assert.match(ahead.at('warn').join(), /begins on .* only; is the clock right\?/)
})

test('once closed nothing is watched any more', async (t) => {
  const files = filesOf(t, first)
  const hand = new HandClock()
  let ticking = 0
  const clock: Clock = {
    now: () => hand.now(),
    monotonic: () => hand.monotonic(),
    steady: () => hand.steady(),
    every(ms, tick) {
      ticking += 1
      const stop = hand.every(ms, tick)
      return () => {
        ticking -= 1
        stop()
      }
    },
  }
  const certificates = await open(t, files, new LogLines(), clock)
  assert.equal(ticking, 2)
  certificates.close()
  assert.equal(ticking, 0)
  assert.equal(readFileSync(files.cert, 'latin1'), certificates.material.cert)
})

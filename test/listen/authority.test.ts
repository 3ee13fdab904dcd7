// The hub's own CA: made once, kept for ever, and a certificate for the host that never runs out.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import type { AddressInfo } from 'node:net'
import { hostname, networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { connect, createServer } from 'node:tls'
import type { Clock } from '../../hub/clock.ts'
import { Authority } from '../../hub/listen/authority.ts'
import { Certificates } from '../../hub/listen/certificates.ts'
import { secureOptions } from '../../hub/listen/tls-material.ts'
import { atEnd } from '../kit/at-end.ts'
import { TestAuthority } from '../kit/certificates.ts'
import { HandClock } from '../kit/clock.ts'
import { newFolder } from '../kit/hub.ts'
import { LogLines, within } from '../kit/log.ts'

const dayMs = 24 * 3600 * 1000
const own = { cert: '', key: '', ca: '', crl: '', names: [] }
const files = ['ca.crt', 'ca.key', 'host.crt', 'host.key'] as const
type FileName = (typeof files)[number]

async function open(t: TestContext, folder: string, names: readonly string[] = [], clock?: Clock): Promise<Certificates> {
  const certificates = await Certificates.open({ ...own, folder, names }, new LogLines().log, clock)
  atEnd(t, () => certificates.close())
  return certificates
}

function read(folder: string, file: FileName): string {
  return readFileSync(join(folder, 'tls', file), 'latin1')
}

function readAll(folder: string): string[] {
  return files.map((file) => read(folder, file))
}

function certificateIn(folder: string, file: FileName = 'host.crt'): X509Certificate {
  return new X509Certificate(read(folder, file))
}

test('on the first start the hub makes a CA, and who trusts it reaches the hub by each name of this machine', async (t) => {
  const folder = newFolder(t)
  const certificates = await open(t, folder, ['hub.example', '*.plant.example', '10.11.12.13', '::'])
  const server = createServer(secureOptions(certificates.material), (socket) => socket.end('welcome'))
  server.listen(0)
  await once(server, 'listening')
  atEnd(t, () => server.close())
  const { port } = server.address() as AddressInfo
  const ca = read(folder, 'ca.crt')
  const addresses = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address))
  const names = ['localhost', '127.0.0.1', '::1', hostname(), 'hub.example', 'pumps.plant.example', '10.11.12.13']
  for (const name of [...names, ...addresses.filter((address) => !address.startsWith('fe80'))]) {
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: /[a-z]\.|^[a-z]+$/.test(name) ? name : '',
      ca,
      checkServerIdentity: () => undefined,
    })
    await within(`a handshake for ${name}`, () => once(socket, 'secureConnect'))
    assert.equal(socket.authorized, true, name)
    const certificate = socket.getPeerX509Certificate() as X509Certificate
    assert.ok(certificate.checkHost(name) ?? certificate.checkIP(name), `the certificate does not name ${name}`)
    socket.destroy()
  }
  const stranger = connect({ port, host: '127.0.0.1' })
  const [error] = (await once(stranger, 'error')) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'SELF_SIGNED_CERT_IN_CHAIN', 'it sees the CA, and does not trust it')
})

test('the certificates are what clients accept, and the keys are for the hub alone', async (t) => {
  const folder = newFolder(t)
  await open(t, folder)
  const [authority, host] = [certificateIn(folder, 'ca.crt'), certificateIn(folder)]
  assert.equal(authority.ca, true)
  assert.equal(host.ca, false)
  assert.deepEqual(host.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  const days = (certificate: X509Certificate) => (certificate.validToDate.getTime() - certificate.validFromDate.getTime()) / dayMs
  assert.ok(days(authority) > 3600 && days(host) <= 397 && days(host) > 396)
  assert.ok(host.validFromDate.getTime() < Date.now() - 3600 * 1000, 'clocks of devices may be behind')
  for (const { serialNumber } of [authority, host]) assert.match(serialNumber, /^[4-7][0-9A-F]{31}$/)
  for (const certificate of [authority, host]) {
    assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  }
  const modes = ['', ...files].map((file) => (statSync(join(folder, 'tls', file)).mode & 0o777).toString(8))
  assert.deepEqual(modes, ['700', '644', '600', '600', '600'])
  assert.deepEqual(readdirSync(join(folder, 'tls')).sort(), [...files])

  const other = newFolder(t)
  await open(t, other)
  const both = [...readAll(folder), ...readAll(other)]
  assert.equal(new Set(both).size, 8)
  assert.notEqual(certificateIn(other, 'ca.crt').subject, authority.subject)
})

test('openssl finds nothing wrong with them', async (t) => {
  if (spawnSync('openssl', ['version']).status !== 0) return t.skip('openssl is not installed: apt-get install openssl')
  const folder = newFolder(t)
  await open(t, folder)
  const path = (file: FileName) => join(folder, 'tls', file)
  for (const name of [
    ['-verify_hostname', 'localhost'],
    ['-verify_ip', '127.0.0.1'],
    ['-verify_ip', '::1'],
  ]) {
    const flags = ['verify', '-x509_strict', '-purpose', 'sslserver', ...name, '-CAfile', path('ca.crt'), path('host.crt')]
    const { status, stdout, stderr } = spawnSync('openssl', flags, { encoding: 'utf8' })
    assert.equal(status, 0, stdout + stderr)
  }
  const { stdout } = spawnSync('openssl', ['x509', '-in', path('ca.crt'), '-noout', '-text'], { encoding: 'utf8' })
  assert.match(stdout, /Basic Constraints: critical\s+CA:TRUE, pathlen:0/)
  assert.match(stdout, /Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
})

test('the next start uses what is there; a new name of the host renews its certificate and nothing else', async (t) => {
  const folder = newFolder(t)
  await open(t, folder)
  const before = readAll(folder)
  await open(t, folder)
  assert.deepEqual(readAll(folder), before)

  await open(t, folder, ['Hub.example', '2001:db8:0:0::1'])
  const renamed = readAll(folder)
  assert.deepEqual(renamed.slice(0, 2), before.slice(0, 2))
  assert.notEqual(renamed[2], before[2])
  assert.equal(certificateIn(folder).checkHost('hub.example'), 'hub.example')
  assert.equal(certificateIn(folder).checkIP('2001:db8::1'), '2001:db8::1')
  await open(t, folder, ['hub.example', '2001:0db8::1'])
  assert.deepEqual(readAll(folder), renamed)
})

test('while the hub runs, the certificate of the host is renewed when less than a third of its time is left', async (t) => {
  const folder = newFolder(t)
  const clock = new HandClock()
  const certificates = await open(t, folder, [], clock)
  const before = certificateIn(folder)
  const authority = read(folder, 'ca.crt')
  clock.jump(270 * dayMs)
  const renewed = within('a renewed certificate', () => new Promise((resolve) => certificates.onChange(resolve)))
  clock.advance(3600)
  const turning = setInterval(() => clock.advance(1), 10)
  await renewed.finally(() => clearInterval(turning))
  const host = new X509Certificate(certificates.material.cert)
  assert.equal(host.validToDate.getTime() - before.validToDate.getTime() > 269 * dayMs, true)
  assert.equal(host.checkIssued(new X509Certificate(authority)), true)
  assert.notEqual(host.publicKey.export({ type: 'spki', format: 'pem' }), before.publicKey.export({ type: 'spki', format: 'pem' }))
  assert.equal(read(folder, 'ca.crt'), authority)
})

test('it is not renewed before, and close to the end of the CA no more than is of use', async (t) => {
  const folder = newFolder(t)
  const clock = new HandClock()
  const authority = await Authority.open(folder, [], new LogLines().log, clock)
  const before = read(folder, 'host.crt')
  clock.jump(263 * dayMs)
  await authority.renewWhenDue()
  assert.equal(read(folder, 'host.crt'), before)
  clock.jump(2 * dayMs)
  await authority.renewWhenDue()
  assert.notEqual(read(folder, 'host.crt'), before)

  clock.jump(9.5 * 365 * dayMs - 265 * dayMs)
  await authority.renewWhenDue()
  const last = certificateIn(folder)
  assert.equal(last.validTo, certificateIn(folder, 'ca.crt').validTo)
  clock.jump(150 * dayMs)
  await authority.renewWhenDue()
  assert.equal(certificateIn(folder).fingerprint256, last.fingerprint256)
})

test('a renewal that was cut short is made again', async (t) => {
  const folder = newFolder(t)
  await open(t, folder)
  const [authority] = readAll(folder)
  const steps: readonly ((path: (file: FileName) => string) => void)[] = [
    (path) => rmSync(path('host.crt')),
    (path) => rmSync(path('host.key')),
    (path) => copyFileSync(path('ca.key'), path('host.key')), // a key, and not the one of the certificate
    (path) => writeFileSync(`${path('host.key')}.new`, 'half'),
  ]
  for (const step of steps) {
    step((file) => join(folder, 'tls', file))
    const { cert, key } = (await open(t, folder)).material
    assert.deepEqual([cert, key, read(folder, 'ca.crt')], [read(folder, 'host.crt'), read(folder, 'host.key'), authority])
  }
})

const foreign = await TestAuthority.make('foreign')
const foreignHost = await foreign.issue('foreign', { names: ['localhost'] })
const wrong: readonly (readonly [what: string, spoil: (path: (file: FileName) => string) => void, sentence: RegExp])[] = [
  ['a CA without its key', (path) => rmSync(path('ca.key')), /tls\/ca\.crt is there without .*tls\/ca\.key: put back/],
  ['a key without its CA', (path) => rmSync(path('ca.crt')), /tls\/ca\.key is there without .*tls\/ca\.crt: put back/],
  [
    'a host certificate without any CA',
    (path) => ['ca.crt', 'ca.key'].map((file) => rmSync(path(file as FileName))),
    /tls\/host\.crt is there, and the CA/,
  ],
  ['half a CA', (path) => truncateSync(path('ca.crt'), 200), /tls\/ca\.crt is not a certificate: put back/],
  ['an empty CA key', (path) => truncateSync(path('ca.key')), /tls\/ca\.key is not a private key: put back/],
  ['a foreign CA', (path) => writeFileSync(path('ca.crt'), foreign.cert), /tls\/ca\.key does not belong to .*tls\/ca\.crt\.$/],
  ['a CA that is none', (path) => copyFileSync(path('host.crt'), path('ca.crt')), /tls\/ca\.crt is not the certificate of a CA\.$/],
  [
    'a foreign host certificate',
    (path) => writeFileSync(path('host.crt'), foreignHost.cert),
    /tls\/host\.crt does not come from .*tls\/ca\.crt: give it by --tls-cert/,
  ],
  ['half a host certificate', (path) => truncateSync(path('host.crt'), 200), /tls\/host\.crt is not a certificate/],
  ['an empty host key', (path) => truncateSync(path('host.key')), /tls\/host\.key is not a private key/],
]
const sound = mkdtempSync(join(tmpdir(), 'mooring-test-'))
after(() => rmSync(sound, { recursive: true }))
const made = await Certificates.open({ ...own, folder: sound }, new LogLines().log)
made.close()
for (const [what, spoil, sentence] of wrong) {
  test(`${what} ends the start with a sentence, and nothing is replaced`, async (t) => {
    const folder = newFolder(t)
    cpSync(sound, folder, { recursive: true })
    spoil((file) => join(folder, 'tls', file))
    const left = () => readdirSync(join(folder, 'tls')).map((file) => [file, read(folder, file as FileName)])
    const before = left()
    await assert.rejects(open(t, folder), sentence)
    assert.deepEqual(left(), before)
  })
}

test('a CA that ended, a name that is none and a folder that cannot be made end the start with a sentence', async (t) => {
  const folder = newFolder(t)
  await open(t, folder)
  const clock = new HandClock()
  clock.jump(3654 * dayMs)
  await assert.rejects(
    open(t, folder, [], clock),
    /tls\/ca\.crt ended on .*: move .*tls away for a new CA, and give that to the devices\.$/,
  )
  for (const name of ['two words', 'a..b', `${'a'.repeat(64)}.example`, 'hub.example:8883', '']) {
    await assert.rejects(open(t, newFolder(t), [name]), new RegExp(`^Error: "${name}" is neither a host name nor an IP address`))
  }
  const blocked = newFolder(t)
  writeFileSync(join(blocked, 'tls'), '')
  await assert.rejects(open(t, blocked), /tls\/ca\.crt cannot be read: ENOTDIR: not a directory\.$/)
  const full = newFolder(t)
  mkdirSync(join(full, 'tls', 'ca.key.new', 'x'), { recursive: true })
  await assert.rejects(open(t, full), /tls\/ca\.key cannot be written: /)
})

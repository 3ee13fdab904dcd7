// Certificates of the hub's own CA, over real TLS sockets: whom they let in, on which wires, and what shuts them out.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { WebSocket } from 'ws'
import { TestAuthority } from '../kit/certificates.ts'
import { HandClock } from '../kit/clock.ts'
import { type InProcessHub, newFolder, startHub } from '../kit/hub.ts'
import { JsonClient } from '../kit/json.ts'
import { TestClient } from '../kit/mqtt.ts'

interface Issued {
  readonly id: string
  readonly of: { readonly is: string; readonly name: string }
  readonly name: string
  readonly role: string
  readonly label: string
  readonly until: number
  readonly lastUsedAt: number | null
  readonly fingerprint: string
  readonly certificate: string
  readonly key: string | null
}

interface Listed {
  readonly certificates: Issued[]
  readonly next: string | null
}

interface Answer {
  readonly status: number
  readonly body: { readonly [name: string]: unknown }
}

type Shown = Pick<tls.ConnectionOptions, 'cert' | 'key'>

const dayMs = 24 * 3600 * 1000
const inTls = { mqttsPort: 0, httpsPort: 0 } as const
const ofFile = { after } as unknown as TestContext
const folder = newFolder(ofFile)
const admin = await adminOf(folder)
/** Lets in nobody without a credential. */
const hub = await startHub(ofFile, { ...inTls, data: folder, allowAnonymous: 'nobody', tlsNames: 'common-name' })

async function adminOf(data: string): Promise<string> {
  const open = await startHub(ofFile, { data })
  const { secret } = (await (await open.post('/v1/keys/ada', { role: 'admin' })).json()) as { secret: string }
  await open.stop()
  return secret
}

async function ask(method: string, path: string, body?: unknown, of: InProcessHub = hub): Promise<Answer> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  const headers: Record<string, string> = of === hub ? { authorization: `Bearer ${admin}` } : {}
  const response = await fetch(of.url + path, { method, headers, ...sent })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

async function issue(wanted: object, of: InProcessHub = hub): Promise<Issued> {
  const { status, body } = await ask('POST', '/v1/ca/certificates', wanted, of)
  assert.equal(status, 200, JSON.stringify(body))
  return body as unknown as Issued
}

async function refusalOf(wanted: unknown, of: InProcessHub = hub): Promise<unknown[]> {
  const { status, body } = await ask('POST', '/v1/ca/certificates', wanted, of)
  return [status, body['code'], body['detail']]
}

function caOf({ folder }: InProcessHub): string {
  return readFileSync(join(folder, 'tls', 'ca.crt'), 'utf8')
}

const shown = ({ certificate, key }: Issued): Shown => ({ cert: certificate, key: key as string })

async function overTls(t: TestContext, of: InProcessHub, show: Shown): Promise<TestClient> {
  const port = of.hub.listeners.mqtts?.port as number
  const socket = tls.connect({ port, host: 'localhost', ca: caOf(of), ...show })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  return new TestClient(socket, 5)
}

/** The reason code, or that the socket was closed before there was one. */
async function comes(t: TestContext, show: Shown, clientId = 'pump-7', of: InProcessHub = hub): Promise<number | 'closed' | undefined> {
  try {
    const client = await overTls(t, of, show)
    const { reasonCode } = await client.connect(clientId)
    client.pullCable()
    return reasonCode
  } catch {
    return 'closed'
  }
}

test('everybody may have the CA, and who trusts it knows the hub', async () => {
  const response = await fetch(`${hub.url}/v1/ca`)
  assert.equal(response.status, 200)
  const said = (await response.json()) as { certificate: string; subject: string; fingerprint: string; from: number; until: number }
  const certificate = new X509Certificate(said.certificate)
  assert.equal(said.certificate.trim(), caOf(hub).trim())
  assert.equal(said.fingerprint, certificate.fingerprint256)
  assert.equal(said.subject, certificate.subject)
  assert.ok(said.from < Date.now() && said.until > Date.now() + 3600 * dayMs)
  assert.equal((await fetch(`${hub.url}/v1/ca/certificates`)).status, 401)
  assert.equal((await fetch(`${hub.url}/v1/ca/certificates`, { method: 'POST', body: '{"device":"pump-7"}' })).status, 401)
})

test('a device comes in by its certificate on each wire over TLS, and nobody comes in without one', async (t) => {
  const issued = await issue({ device: 'pump-7', label: 'hall 2' })
  const { role, label, of, until, fingerprint, name } = issued
  assert.deepEqual([of, role, label, name], [{ is: 'device', name: 'pump-7' }, 'device', 'hall 2', `fingerprint:${fingerprint}`])
  const certificate = new X509Certificate(issued.certificate)
  assert.equal(certificate.fingerprint256, fingerprint)
  assert.deepEqual([certificate.subject, certificate.subjectAltName], ['CN=pump-7', 'URI:urn:mooring:device:pump-7'])
  assert.deepEqual([certificate.ca, certificate.keyUsage], [false, ['1.3.6.1.5.5.7.3.2']])
  assert.equal(certificate.validToDate.getTime(), until)
  assert.ok(Math.abs(until - Date.now() - 397 * dayMs) < 60_000)

  const client = await overTls(t, hub, shown(issued))
  assert.equal((await client.connect('pump-7')).reasonCode, 0)
  await client.publish('devices/pump-7/telemetry', '{"t":1}', { qos: 1 })
  assert.equal(await comes(t, shown(issued), 'pump-8'), 0x85, 'not for another')
  assert.equal(await comes(t, {}), 0x87, 'a certificate is not asked of everybody, and somebody without one is nobody')

  const port = hub.hub.listeners.https?.port as number
  const trusting = { ca: caOf(hub), ...shown(issued) }
  assert.equal(await statusByHttp1(port, trusting), 200)
  assert.equal(await statusByHttp1(port, { ca: caOf(hub) }), 401)
  assert.equal(await statusByHttp2(t, port, trusting), 200)
  const socket = new WebSocket(`wss://localhost:${port}/v1/session`, 'mooring.json', trusting)
  t.after(() => socket.terminate())
  const json = new JsonClient(socket)
  await once(socket, 'open')
  assert.equal((await json.hello({ client: 'pump-7:json' })).is, 'welcome')

  const { certificates } = (await ask('GET', '/v1/ca/certificates?device=pump-7')).body as unknown as Listed
  assert.deepEqual(
    certificates.map(({ id, fingerprint: listed, lastUsedAt }) => [id, listed, typeof lastUsedAt]),
    [[issued.id, fingerprint, 'number']],
  )
  const log = ((await ask('GET', '/v1/audit?target=device/pump-7')).body as { entries: { who: string; detail: string }[] }).entries
  assert.deepEqual([log[0]?.who, log[0]?.detail], ['key/ada', `certificate ${issued.id} (hall 2)`])
})

function statusByHttp1(port: number, options: https.RequestOptions): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asking = https.get({ port, host: 'localhost', path: '/v1/devices/pump-7', agent: false, ...options }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    asking.on('error', reject)
  })
}

async function statusByHttp2(t: TestContext, port: number, options: http2.SecureClientSessionOptions): Promise<number> {
  const session = http2.connect(`https://localhost:${port}`, options)
  t.after(() => session.destroy())
  const [headers] = (await once(session.request({ ':path': '/v1/devices/pump-7' }), 'response')) as [http2.IncomingHttpHeaders]
  return Number(headers[':status'])
}

test('a revocation closes who came by the certificate, and shuts it out at once, whatever names are in it', async (t) => {
  const [issued, other] = [await issue({ device: 'pump-9' }), await issue({ device: 'pump-9' })]
  // Others of the name might let it in, and shall not.
  await ask('POST', '/v1/devices/pump-9/credentials', { kind: 'certificate', name: 'cn:pump-9' })
  const client = await overTls(t, hub, shown(issued))
  assert.equal((await client.connect('pump-9')).reasonCode, 0)
  assert.equal((await ask('DELETE', `/v1/credentials/${issued.id}`)).status, 200)
  assert.equal((await client.next('disconnect')).reasonCode, 0x87)
  assert.equal(await comes(t, shown(issued), 'pump-9'), 0x86)
  assert.equal(await comes(t, shown(other), 'pump-9'), 0)
  const open = await startHub(t, inTls)
  const gone = await issue({ device: 'pump-9' }, open)
  await ask('DELETE', `/v1/credentials/${gone.id}`, undefined, open)
  assert.equal(await comes(t, shown(gone), 'pump-9', open), 0x86, 'nor where everybody may come who shows nothing')
  assert.equal(await comes(t, {}, 'pump-10', open), 0)
})

test('a certificate ends with its credential', async (t) => {
  const clock = new HandClock(Date.now())
  const timed = await startHub(t, inTls, clock)
  const issued = await issue({ device: 'pump-7', days: 1 }, timed)
  assert.ok(issued.until <= clock.now() + dayMs && issued.until > clock.now() + dayMs - 1000)
  const client = await overTls(t, timed, shown(issued))
  assert.equal((await client.connect('pump-7', { keepalive: 0 })).reasonCode, 0)
  clock.jump(dayMs)
  clock.advance(3605) // the wheel looks at the clock each hour
  assert.equal((await client.next('disconnect')).reasonCode, 0x87)
  assert.equal(await comes(t, shown(issued), 'pump-7', timed), 0x86)
  clock.jump(100 * dayMs)
  const { until } = (await ask('GET', '/v1/ca', undefined, timed)).body
  assert.equal((await issue({ device: 'pump-7', days: 3650 }, timed)).until, until, 'and none outlasts the CA')
})

/** What openssl makes of this; undefined where it is not installed. */
function csrOf(t: TestContext, ...key: string[]): { readonly csr: string; readonly key: string } | undefined {
  const keyFile = join(newFolder(t), 'key.pem')
  const flags = ['req', '-new', '-nodes', '-newkey', ...key, '-keyout', keyFile, '-subj', '/CN=somebody else']
  const { status, stdout, stderr, error } = spawnSync('openssl', flags, { encoding: 'utf8' })
  if (error !== undefined) return undefined
  assert.equal(status, 0, stderr)
  return { csr: stdout, key: readFileSync(keyFile, 'utf8') }
}

test('a CSR by openssl: its key, and the name that was asked for', async (t) => {
  const kinds = [
    ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    ['ec', '-pkeyopt', 'ec_paramgen_curve:secp521r1'],
    ['ed25519'],
    ['rsa:2048'],
  ]
  for (const kind of kinds) {
    const made = csrOf(t, ...kind)
    if (made === undefined) return t.skip('openssl is not installed: apt-get install openssl')
    const issued = await issue({ device: 'pump-11', csr: `notes before it\n${made.csr}` })
    assert.equal(issued.key, null)
    assert.equal(new X509Certificate(issued.certificate).subject, 'CN=pump-11')
    assert.equal(await comes(t, { cert: issued.certificate, key: made.key }, 'pump-11'), 0, kind.join(' '))
    const file = join(newFolder(t), 'pump.crt')
    writeFileSync(file, issued.certificate)
    for (const [purpose, expected] of [
      ['sslclient', 0],
      ['sslserver', 2],
    ] as const) {
      const flags = ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', join(hub.folder, 'tls', 'ca.crt'), file]
      const { status, stdout, stderr } = spawnSync('openssl', flags, { encoding: 'utf8' })
      assert.equal(status, expected, stdout + stderr)
    }
  }
})

test('a CSR that is not right is refused, and no credential is left of it', async (t) => {
  const [weak, odd, good] = [csrOf(t, 'rsa:1024'), csrOf(t, 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'), csrOf(t, 'ed25519')]
  if (weak === undefined || odd === undefined || good === undefined) return t.skip('openssl is not installed: apt-get install openssl')
  const der = Buffer.from(good.csr.replace(/-----[^-]*-----/g, ''), 'base64')
  der[der.length - 1]! ^= 1
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
  const cases: [unknown, number, string, RegExp][] = [
    [{ device: 'pump-12', csr: weak.csr }, 400, 'credential-invalid', /2048 to 4096 bits, and this one 1024/],
    [{ device: 'pump-12', csr: odd.csr }, 400, 'credential-invalid', /CSR cannot be read|P-256/],
    [{ device: 'pump-12', csr: forged }, 400, 'credential-invalid', /not signed by its own key/],
    [{ device: 'pump-12', csr: 'x' }, 400, 'credential-invalid', /cannot be read/],
    [{ device: 'pump-12', csr: '' }, 400, 'credential-invalid', /cannot be read/],
    [{ device: 'pump-12', csr: caOf(hub) }, 400, 'credential-invalid', /cannot be read/],
    [{ device: 'pump-12', csr: 7 }, 400, 'credential-invalid', /csr is PEM/],
    [{ device: 'pump-12', csr: 'x'.repeat(40_000) }, 413, 'body-too-large', /certificateRequestBytes|32768/],
    [{ device: 'pump-12', days: 0 }, 400, 'credential-invalid', /from 1 to 3650/],
    [{ device: 'pump-12', days: 3651 }, 400, 'credential-invalid', /from 1 to 3650/],
    [{ device: 'pump-12', days: '7' }, 400, 'credential-invalid', /from 1 to 3650/],
    [{ device: 'pump-12', color: 'red' }, 400, 'credential-invalid', /nothing is called "color"/],
    [{ device: 'pump-12', role: 'fly' }, 404, 'role-unknown', /fly/],
    [{ device: 'pump/12' }, 400, 'device-id-invalid', /pump/],
    [{}, 400, 'device-id-invalid', /use 1 to 128/],
    [[], 400, 'request-invalid', /one JSON object/],
  ]
  for (const [wanted, status, code, detail] of cases) {
    const found = await refusalOf(wanted)
    assert.deepEqual(found.slice(0, 2), [status, code], JSON.stringify(found))
    assert.match(String(found[2]), detail)
  }
  assert.deepEqual((await ask('GET', '/v1/ca/certificates?device=pump-12')).body, { certificates: [], next: null })
})

test('more are not made at a time than may be, and all the others are', async () => {
  const asked = await Promise.all(Array.from({ length: 8 }, (_, at) => ask('POST', '/v1/ca/certificates', { device: `many-${at}` })))
  const refused = asked.filter(({ status }) => status !== 200)
  assert.deepEqual([...new Set(refused.map(({ status, body }) => `${status} ${body['code']}`))], ['503 too-many-transfers'])
  assert.ok(refused.length > 0 && refused.length <= 4, `${refused.length}`)
})

test("the hub's certificate is nobody's as a client, a device's is no server's, and a stranger's is none", async (t) => {
  const host = {
    cert: readFileSync(join(hub.folder, 'tls', 'host.crt'), 'utf8'),
    key: readFileSync(join(hub.folder, 'tls', 'host.key'), 'utf8'),
  }
  assert.equal(await comes(t, host), 'closed')
  const stranger = await (await TestAuthority.make('Another CA')).issue('pump-7')
  assert.equal(await comes(t, stranger), 'closed')
  const server = tls.createServer(shown(await issue({ device: 'pump-7' })), (socket) => socket.end())
  server.listen(0)
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = tls.connect({ port, host: 'localhost', ca: caOf(hub), checkServerIdentity: () => undefined })
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  assert.match(error.message, /unsuitable certificate purpose|unsupported certificate purpose/)
})

test('with --tls-ca and --tls-crl those of others come in beside its own', async (t) => {
  const authority = await TestAuthority.make('Test CA')
  const files = newFolder(t)
  const [tlsCa, tlsCrl] = [join(files, 'ca.pem'), join(files, 'crl.pem')]
  const [theirs, revoked] = [await authority.issue('pump-7'), await authority.issue('pump-8')]
  writeFileSync(tlsCa, authority.cert)
  writeFileSync(tlsCrl, await authority.revoke([revoked.serial]))
  const data = newFolder(t)
  await (await startHub(t, { data })).stop()
  const both = await startHub(t, { ...inTls, data, tlsCa, tlsCrl, tlsNames: 'common-name' })
  assert.equal(await comes(t, theirs, 'pump-7', both), 0)
  assert.equal(await comes(t, revoked, 'pump-8', both), 'closed')
  assert.equal(await comes(t, shown(await issue({ device: 'pump-9' }, both)), 'pump-9', both), 0)
})

test('a hub that was given a certificate, or serves no TLS, says so, and so does one whose CA is not what it was', async (t) => {
  const authority = await TestAuthority.make('Test CA')
  const { cert, key } = await authority.issue('localhost', { names: ['localhost'] })
  const files = newFolder(t)
  const [tlsCert, tlsKey] = [join(files, 'cert.pem'), join(files, 'key.pem')]
  writeFileSync(tlsCert, cert)
  writeFileSync(tlsKey, key)
  const [given, plain] = [await startHub(t, { mqttsPort: 0, tlsCert, tlsKey }), await startHub(t)]
  for (const [one, why] of [
    [given, /it uses the certificate it was given \(--tls-cert\)/],
    [plain, /it serves no TLS \(--mqtts-port/],
  ] as const) {
    const { status, body } = await ask('GET', '/v1/ca', undefined, one)
    assert.deepEqual([status, body['code']], [404, 'ca-unavailable'])
    assert.match(String(body['detail']), why)
    assert.deepEqual((await refusalOf({ device: 'pump-7' }, one)).slice(0, 2), [404, 'ca-unavailable'])
  }
  const [moved, other] = [await startHub(t, inTls), await startHub(t, inTls)]
  const path = (of: InProcessHub, file: string) => join(of.folder, 'tls', file)
  renameSync(path(moved, 'ca.key'), path(moved, 'ca.key.gone'))
  assert.match(String(await refusalOf({ device: 'pump-7' }, moved)), /^404,ca-unavailable,.*ca\.crt is there without .*ca\.key/)
  for (const file of ['ca.crt', 'ca.key']) copyFileSync(path(other, file), path(moved, file))
  assert.match(String(await refusalOf({ device: 'pump-7' }, moved)), /ca\.crt is another than at the start/)
})

test('the list is read in pages, and one certificate is found by its fingerprint', async () => {
  const made = []
  for (let at = 0; at < 3; at++) made.push(await issue({ device: 'pump-20' }))
  const found: string[] = []
  let pages = 0
  for (let after: string | null = ''; after !== null; pages++) {
    const query = after === '' ? '' : `&after=${after}`
    const page = (await ask('GET', `/v1/ca/certificates?device=pump-20&limit=2${query}`)).body as unknown as Listed
    found.push(...page.certificates.map(({ id }) => id))
    after = page.next
  }
  assert.deepEqual([found, pages], [made.map(({ id }) => id), 2])
  const [one] = made
  const by = (await ask('GET', `/v1/ca/certificates?fingerprint=${one?.fingerprint}`)).body as unknown as Listed
  assert.deepEqual(
    by.certificates.map(({ id }) => id),
    [one?.id],
  )
  assert.deepEqual((await ask('GET', '/v1/ca/certificates?fingerprint=AB')).body, { certificates: [], next: null })
  await ask('DELETE', `/v1/credentials/${one?.id}`)
  const { status, body } = await ask('GET', `/v1/ca/certificates?after=${one?.id}`)
  assert.deepEqual([status, body['code']], [404, 'credential-unknown'])
})

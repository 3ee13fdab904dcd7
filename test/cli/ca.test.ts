// mooring ca, as a process against a hub: the files it writes, the lines that use them, and what shuts a certificate out.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { newFolder, startHub } from '../kit/hub.ts'
import { run } from './run.ts'
import { linesIn, shell, typeable } from './shell.ts'

const inTls = { mqttsPort: 0, httpsPort: 0 } as const

test('a certificate is issued, used as the lines say, listed, and revoked', async (t) => {
  const hub = await startHub(t, inTls)
  const folder = newFolder(t)
  const own = join(hub.folder, 'tls', 'ca.crt')
  const ca = (...args: string[]) => run(t, ['ca', ...args, '--url', hub.url])

  const shown = await ca()
  assert.deepEqual([shown.code, shown.stdout.trim()], [0, readFileSync(own, 'utf8').trim()])
  assert.match(shown.stderr, /^mooring: CN=Mooring CA .*, until 20\d\d-.*, SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}\.?\n$/)
  assert.equal(JSON.parse((await ca('show', '--json')).stdout).certificate, shown.stdout)

  const out = join(folder, 'hall 2')
  const { code, stdout, stderr } = await ca('issue', 'pump-1', '--days', '30', '--out', out, '--label', 'hall 2', '--ca', own)
  assert.deepEqual([code, stdout], [0, ''], stderr)
  for (const file of [`${out}.crt`, `${out}.key`]) assert.equal(statSync(file).mode & 0o777, 0o600, file)
  const certificate = new X509Certificate(readFileSync(`${out}.crt`))
  assert.equal(certificate.subject, 'CN=pump-1')
  assert.match(stderr, /hall 2\.crt and .*hall 2\.key written; the certificate is valid until 20.*, as the credential c\w{16}\.\n/)
  assert.ok(!stderr.includes('PRIVATE KEY'))
  const [mosquitto = '', curl = '', ...others] = linesIn(stderr)
  assert.deepEqual(others, [])
  assert.ok(
    mosquitto.startsWith(`mosquitto_pub -h 127.0.0.1 -p ${hub.hub.listeners.mqtts?.port} --cafile ${own} --cert '${out}.crt'`),
    mosquitto,
  )
  const typed = typeable(t, mosquitto, curl)
  for (const line of typed) {
    const { status, stderr: said } = await shell(line, {})
    assert.equal(status, 0, `${line}: ${said}`)
  }
  const points = await run(t, ['export', '--format', 'ndjson', '--url', hub.url])
  assert.equal(points.stdout.match(/"device":"pump-1","metric":"temperature"/g)?.length ?? 0, typed.length)

  const list = await ca('list', 'pump-1')
  assert.match(list.stdout, /^credential +device +label +until +last used +fingerprint\n-.*\nc\w{16} +pump-1 +hall 2 +20[\d-]+T[\d:]+Z +20/)
  assert.ok(list.stdout.includes(certificate.fingerprint256))
  assert.equal(JSON.parse((await ca('list', '--json')).stdout).certificates.length, 1)
  assert.equal(JSON.parse((await ca('list', 'pump-2', '--json')).stdout).certificates.length, 0)

  const digits = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
  assert.match((await ca('revoke', digits)).stderr, /^mooring: revoked c\w{16}\.\n$/)
  for (const line of typed) assert.notEqual((await shell(line.replace('curl ', 'curl --fail '), {})).status, 0, line)
  assert.match((await ca('revoke', certificate.fingerprint256)).stderr, /^mooring: no credential is the certificate /)
  const again = JSON.parse(
    (await ca('issue', 'pump-1', '--out', join(folder, 'b'))).code === 0 ? (await ca('list', '--json')).stdout : '{}',
  )
  assert.equal((await ca('revoke', again.certificates[0].id)).code, 0)
})

test('nothing that is there is written over, and nothing is left of what was not made', async (t) => {
  const hub = await startHub(t, inTls)
  const folder = newFolder(t)
  const path = (name: string) => join(folder, name)
  const issue = (device: string, ...args: string[]) => run(t, ['ca', 'issue', device, '--url', hub.url, ...args])
  writeFileSync(path('a.key'), 'of somebody')
  writeFileSync(path('b.crt'), 'of somebody')
  mkdirSync(path('c.crt'))
  for (const name of ['a', 'b', 'c']) {
    const { code, stderr } = await issue('pump-1', '--out', path(name))
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`^mooring: .*/${name}\\.(crt|key) is there already; name a new file\\.\n$`))
  }
  assert.equal(readFileSync(path('a.key'), 'utf8'), 'of somebody')
  assert.deepEqual(readdirSync(folder).sort(), ['a.key', 'b.crt', 'c.crt'])
  writeFileSync(path('wrong.csr'), 'x')
  const cases: [string[], number, RegExp][] = [
    [['pump-1', '--out', path('d'), '--days', '5000'], 1, /days is a whole number from 1 to 3650/],
    [['pump 1', '--out', path('d')], 1, /The device id/],
    [['pump-1', '--out', path('d'), '--csr', path('wrong.csr')], 1, /The credential is refused: the CSR cannot be read/],
    [['pump-1', '--out', path('d'), '--csr', path('not there')], 1, /ENOENT/],
    [['pump-1', '--out', path('no/d')], 1, /cannot be written/],
    [['pump-1', '--out', path('d'), '--days', 'x'], 2, /--days takes a number/],
    [[], 2, /DEVICE is missing/],
  ]
  for (const [args, exit, sentence] of cases) {
    const wrong = await run(t, ['ca', 'issue', ...args, '--url', hub.url])
    assert.deepEqual([wrong.code, wrong.stdout], [exit, ''], args.join(' '))
    assert.match(wrong.stderr, sentence)
  }
  assert.equal(existsSync(path('d.crt')) || existsSync(path('d.key')), false)
  assert.match((await run(t, ['ca', 'revoke', 'AB:CD', '--url', hub.url])).stderr, /neither the id of a credential nor a fingerprint/)
  const plain = await startHub(t)
  assert.match((await run(t, ['ca', '--url', plain.url])).stderr, /^mooring: the hub refused: This hub has no CA .*it serves no TLS/)
})

test('with a CSR the key stays where it is', async (t) => {
  const folder = newFolder(t)
  const key = join(folder, 'own.key')
  const made = spawnSync('openssl', ['req', '-new', '-nodes', '-newkey', 'rsa:2048', '-keyout', key, '-subj', '/CN=x'], {
    encoding: 'utf8',
  })
  if (made.error !== undefined) return t.skip('openssl is not installed: apt-get install openssl')
  const hub = await startHub(t, inTls)
  const out = join(folder, 'pump')
  const args = ['ca', 'issue', 'pump-1', '--out', out, '--csr', '-', '--url', hub.url, '--ca', join(hub.folder, 'tls', 'ca.crt')]
  const { code, stderr } = await run(t, args, made.stdout)
  assert.equal(code, 0, stderr)
  assert.equal(existsSync(`${out}.key`), false)
  const [line = ''] = typeable(t, ...linesIn(stderr))
  const { status, stderr: said } = await shell(line.replace('device.key', key), {})
  assert.equal(status, 0, `${line}: ${said}`)
})

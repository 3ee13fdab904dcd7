// mooring credentials, keys, roles, explain, audit, bans, claims, as processes against a hub: who is let in by what they make, and what is said of it.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type InProcessHub, newFolder, startHub } from '../kit/hub.ts'
import { run } from './run.ts'
import { linesIn, shell, typeable } from './shell.ts'

const tokenShape = /^mrg_[\w-]{49}\n$/

async function made(t: TestContext, hub: InProcessHub, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(t, [...args, '--url', hub.url])
  assert.equal(code, 0, stderr)
  return stdout.trim()
}

/** A hub that lets in nobody without credentials, and what runs a command on it with the key of an admin. */
async function locked(t: TestContext) {
  const folder = newFolder(t)
  const open = await startHub(t, { data: folder })
  const admin = await made(t, open, 'keys', 'create', 'ada', '--role', 'admin')
  const viewer = await made(t, open, 'keys', 'create', 'vera', '--label', 'of the hall')
  await open.stop()
  const hub = await startHub(t, { data: folder, allowAnonymous: 'nobody' })
  const as = (key: string, args: readonly string[], stdin = '') => run(t, [...args, '--url', hub.url], stdin, { MOORING_KEY: key })
  return { hub, admin, viewer, as }
}

test('a token is said once on stdout, and the two lines beneath it work as they stand', async (t) => {
  const hub = await startHub(t)
  const { code, stdout, stderr } = await run(t, ['credentials', 'create', 'pump-1', '--until', '90d', '--label', 'spare', '--url', hub.url])
  assert.equal(code, 0)
  assert.match(stdout, tokenShape)
  assert.ok(!stderr.includes(stdout.trim()), 'no secret on stderr')
  const [mosquitto = '', curl = '', ...others] = linesIn(stderr)
  assert.deepEqual(others, [])
  assert.match(mosquitto, new RegExp(`^mosquitto_pub -h 127\\.0\\.0\\.1 -p ${hub.mqttPort} -i pump-1 `))
  assert.ok(curl.endsWith(` ${hub.url}/v1/devices/pump-1/telemetry`))
  const typed = typeable(t, mosquitto, curl)
  for (const line of typed) {
    const { status, stderr: said } = await shell(line, { TOKEN: stdout.trim() })
    assert.equal(status, 0, `${line}: ${said}`)
  }
  const points = await run(t, ['export', '--format', 'ndjson', '--url', hub.url])
  assert.equal(points.stdout.match(/"device":"pump-1","metric":"temperature"/g)?.length, typed.length)
  const wrong = await shell(`${curl} --fail`, { TOKEN: `${stdout.trim().slice(0, -1)}_` })
  assert.notEqual(wrong.status, 0)

  const list = await run(t, ['credentials', 'pump-1', '--url', hub.url])
  assert.match(list.stdout, /^id +kind +name +role +label +until +last used\n-.*\nc\w+ +token +device +spare +20\d\d-\d\d-\d\dT[\d:]+Z +20/)
  assert.ok(!list.stdout.includes(stdout.trim()))
  const { credentials } = JSON.parse((await run(t, ['credentials', 'list', 'pump-1', '--json', '--url', hub.url])).stdout)
  const daysLeft = (credentials[0].until - Date.now()) / 86_400_000
  assert.ok(daysLeft > 89.9 && daysLeft <= 90, `${daysLeft}`)
})

test('over TLS where the hub serves it, by password too', async (t) => {
  const hub = await startHub(t, { mqttsPort: 0, httpsPort: 0 })
  const ca = join(hub.folder, 'tls', 'ca.crt')
  const args = ['credentials', 'create', 'pump-1', '--password', '--username', "o'neil", '--url', hub.url]
  const { code, stdout, stderr } = await run(t, [...args, '--ca', ca])
  assert.equal(code, 0, stderr)
  const { mqtts, https } = hub.hub.listeners
  const [mosquitto = '', curl = ''] = linesIn(stderr)
  assert.ok(mosquitto.startsWith(`mosquitto_pub -h 127.0.0.1 -p ${mqtts?.port} --cafile ${ca} -i pump-1 `), mosquitto)
  assert.ok(curl.startsWith(`curl --cacert ${ca} `) && curl.endsWith(` https://127.0.0.1:${https?.port}/v1/devices/pump-1/telemetry`), curl)
  const typed = typeable(t, mosquitto, curl)
  for (const line of typed) {
    const { status, stderr: said } = await shell(line, { PASSWORD: stdout.trim() })
    assert.equal(status, 0, `${line}: ${said}`)
  }
  const points = await run(t, ['export', '--format', 'ndjson', '--url', hub.url])
  assert.equal(points.stdout.match(/"device":"pump-1","metric":"temperature"/g)?.length, typed.length)
  const certificate = await run(t, ['credentials', 'create', 'pump-2', '--certificate', 'cn:pump-2', '--url', hub.url])
  assert.deepEqual([certificate.code, certificate.stdout], [0, ''])
  assert.match(
    certificate.stderr,
    /--cafile data\/tls\/ca\.crt --cert device\.crt .*\n.*\n\nmooring: data\/tls\/ca\.crt is the CA of the hub/,
  )
  assert.match((await run(t, ['credentials', 'pump-2', '--url', hub.url])).stdout, /certificate +cn:pump-2/)
})

test('a key opens a hub that lets in nobody, by the variable, by a file, by an option', async (t) => {
  const { hub, admin, as } = await locked(t)
  const file = join(newFolder(t), 'key')
  writeFileSync(file, `${admin}\n`, { mode: 0o600 })
  assert.equal((await as(admin, ['devices'])).code, 0)
  assert.equal((await run(t, ['devices', '--url', hub.url, '--key-file', file])).code, 0)
  assert.equal((await run(t, ['devices', '--url', hub.url, '--key', admin])).code, 0)
  assert.equal((await as('mrg_other', ['devices', '--key-file', file])).code, 0, 'an option wins over the variable')
  const row = 'device,metric,time,value\r\nd,n,2026-01-02T03:04:05.000Z,1\r\n'
  assert.deepEqual(await as(admin, ['import', '--format', 'csv'], row), { code: 0, stdout: '', stderr: 'mooring: stored 1 point.\n' })
  assert.equal((await as(admin, ['export', '--device', 'd'])).stdout, row)
  assert.equal((await as(admin, ['sql', 'SELECT id FROM devices', '--csv'])).stdout, 'id\r\nd\r\n')
  assert.equal((await as(admin, ['pub', 'a', '1'])).code, 0)
  assert.equal((await as(admin, ['status'])).code, 0)
})

test('who may not is told in a sentence what to do, and no key is ever shown', async (t) => {
  const { hub, admin, viewer, as } = await locked(t)
  const none = await run(t, ['devices', '--url', hub.url])
  assert.equal(none.code, 1)
  assert.match(
    none.stderr,
    /^mooring: the hub refused: .*\. Make a key on the hub's machine \(mooring keys create NAME --role viewer\) and say it by MOORING_KEY or --key-file\.\n$/,
  )
  assert.match((await as(viewer, ['keys'])).stderr, /do not allow to administer hub.*\(mooring keys create NAME --role admin\)/)
  assert.match((await as(viewer, ['pub', 'a', '1'])).stderr, /do not allow.*\(mooring keys create NAME --role operator\)/)
  const { stderr } = await as(viewer, ['sql', 'DROP TABLE devices'])
  assert.match(stderr, /SQL here only reads/)
  assert.doesNotMatch(stderr, /Make a key/, 'a key would not help')

  const secret = `${admin.slice(0, -1)}!`
  const cases: [string[], Record<string, string>, number, RegExp][] = [
    [['devices', '--key', secret], {}, 2, /^mooring: --key holds no key/],
    [['devices'], { MOORING_KEY: `${admin}\nx` }, 2, /MOORING_KEY holds no key/],
    [['devices'], { MOORING_KEY: admin.slice(0, -3) }, 1, /the hub refused/],
    [['devices', '--key', admin, '--key-file', 'x'], {}, 2, /not both/],
    [['devices', '--key-file', join(hub.folder, 'none')], {}, 2, /--key-file: ENOENT/],
    [['devices', '--url', `http://x:${admin}@127.0.0.1:1`], {}, 2, /--url holds no credentials/],
    [['devices', '--url', 'http://127.0.0.1:1'], { MOORING_KEY: admin }, 1, /no hub answers/],
    [['devices', '--kye', admin], {}, 2, /Unknown option '--kye' \(mooring devices list --help\)\.\n$/],
  ]
  for (const [args, environment, code, sentence] of cases) {
    const found = await run(t, args.includes('--url') ? args : [...args, '--url', hub.url], '', environment)
    assert.deepEqual([found.code, found.stdout], [code, ''], args[0])
    assert.match(found.stderr, sentence)
    assert.ok(!found.stderr.includes(admin.slice(0, 20)), found.stderr)
  }
})

test('keys are listed and revoked, and the audit log says who did it', async (t) => {
  const { viewer, admin, as } = await locked(t)
  const keys = await as(admin, ['keys'])
  assert.match(keys.stdout, /^id +name +role +label +until +last used\n/)
  const id = /^(c\w+) +vera +viewer +of the hall/m.exec(keys.stdout)?.[1] ?? ''
  assert.equal((await as(viewer, ['devices'])).code, 0)
  assert.deepEqual(await as(admin, ['keys', 'revoke', id]), { code: 0, stdout: '', stderr: `mooring: revoked ${id}.\n` })
  assert.equal((await as(viewer, ['devices'])).code, 1)
  assert.match((await as(admin, ['keys', 'revoke', id])).stderr, /There is no credential/)

  const log = await as(admin, ['audit', '--who', 'key/ada', '--action', 'credential.revoke', '--since', '1h'])
  const [, , entry = '', ...others] = log.stdout.split('\n')
  assert.match(
    entry,
    new RegExp(`^20[^ ]+Z +key/ada +127\\.0\\.0\\.1 +credential\\.revoke +key/vera +done +token ${id} \\(of the hall\\)$`),
  )
  assert.deepEqual(others, [''])
  const all = JSON.parse((await as(admin, ['audit', '--json', '--limit', '2'])).stdout) as { entries: { at: number }[]; next: number }
  assert.equal(all.entries.length, 2)
  assert.equal(typeof all.next, 'number')
  assert.match((await as(admin, ['audit', '--limit', '1'])).stderr, /there are older entries/)
  const future = new Date(Date.now() + 60_000).toISOString()
  assert.equal((await as(admin, ['audit', '--since', future])).stdout.split('\n').length, 3, 'nothing is newer than that')
  for (const args of [
    ['audit', '--limit', 'many'],
    ['audit', '--since', 'monday'],
    ['keys', 'create', 'x', '--until', '90'],
  ]) {
    assert.equal((await as(admin, args)).code, 2, args.join(' '))
  }
})

test('roles are made of a file of rules, and explained', async (t) => {
  const hub = await startHub(t)
  const mooring = (...args: string[]) => run(t, [...args, '--url', hub.url])
  const file = join(newFolder(t), 'rules.json')
  writeFileSync(
    file,
    '[{"effect":"allow","actions":["publish"],"filter":"plants/%d/#"},{"effect":"deny","actions":["publish"],"filter":"plants/+/x"}]',
  )
  assert.deepEqual(await mooring('roles', 'set', 'grower', file), {
    code: 0,
    stdout: '',
    stderr: 'mooring: the role grower has 2 rules.\n',
  })
  const { stdout } = await mooring('roles')
  assert.match(stdout, /^grower +allow +publish +plants\/%d\/#\ngrower +deny +publish +plants\/\+\/x$/m)
  assert.match(stdout, /^device +allow +publish subscribe retain +devices\/%d\/# +built in$/m)

  const allowed = await mooring('explain', 'publish', 'plants/fern/water', '--device', 'fern', '--role', 'grower')
  assert.equal(allowed.code, 0)
  assert.match(allowed.stdout, /^Allowed, as grower: .*\n\nrule.*\n-.*\n +1 +allow +publish +plants\/%d\/# +plants\/fern\/# +yes\n/)
  const refused = await mooring('explain', 'publish', 'plants/fern/x', '--device', 'fern', '--role', 'grower')
  assert.equal(refused.code, 3)
  assert.match(refused.stdout, /^Not allowed, as grower: /)
  assert.equal(JSON.parse((await mooring('explain', 'publish', 'a', '--json')).stdout).allowed, true)

  assert.equal((await mooring('roles', 'remove', 'grower')).code, 0)
  assert.doesNotMatch((await mooring('roles')).stdout, /grower/)
  writeFileSync(file, '{"effect":"allow"}')
  assert.match((await mooring('roles', 'set', 'grower', file)).stderr, /The role is refused/)
  assert.match((await mooring('roles', 'set', 'grower', join(hub.folder, 'none'))).stderr, /ENOENT/)
  assert.match((await mooring('roles', 'remove', 'device')).stderr, /built in/)
})

test('a new credential with a role, and what makes no sense', async (t) => {
  const hub = await startHub(t)
  const mooring = (...args: string[]) => run(t, [...args, '--url', hub.url])
  const { stdout } = await mooring('credentials', 'create', 'reader', '--role', 'viewer', '--json')
  const { role, secret, id } = JSON.parse(stdout) as { role: string; secret: string; id: string }
  assert.equal(role, 'viewer')
  assert.equal((await run(t, ['devices', '--url', hub.url, '--key', secret])).code, 0)
  assert.equal((await mooring('credentials', 'revoke', id)).code, 0)
  assert.equal((await run(t, ['devices', '--url', hub.url, '--key', secret])).code, 1)
  const cases: [string[], number, RegExp][] = [
    [['credentials', 'create', 'x', '--password', '--certificate', 'cn:x'], 2, /not both/],
    [['credentials', 'create', 'x', '--username', 'y'], 2, /goes with --password/],
    [['credentials', 'create', 'x', '--role', 'nobody'], 1, /There is no role/],
    [['credentials', 'create', 'x', '--certificate', 'x'], 1, /a certificate is named by/],
    [['credentials', 'create', 'x', '--until', '2020-01-01'], 1, /still to come/],
    [['credentials'], 2, /DEVICE is missing/],
    [['credentials', 'create'], 2, /DEVICE is missing \(mooring credentials create --help\)/],
    [['keys', 'create', 'a', 'b'], 2, /it takes NAME, and not b too/],
    [['roles', 'fly'], 2, /there is no command roles fly; there are list, set, remove/],
  ]
  for (const [args, code, sentence] of cases) {
    const found = await mooring(...args)
    assert.deepEqual([found.code, found.stdout], [code, ''], args.join(' '))
    assert.match(found.stderr, sentence, args.join(' '))
  }
})

test('bans: who guessed is listed, and let in again', async (t) => {
  const hub = await startHub(t, { trustedProxy: ['127.0.0.1'] })
  for (let at = 0; at < 31; at++)
    await fetch(`${hub.url}/v1/hub`, { headers: { 'x-forwarded-for': '198.51.100.7', authorization: `Bearer guess-${at}` } })
  const as = (...args: string[]) => run(t, ['bans', ...args, '--url', hub.url])
  const list = await as()
  assert.match(list.stdout, /^address +since +until +failures +refused\n-.*\n198\.51\.100\.7 +20\d\d-\S+ +20\d\d-\S+ +31 +0\n/)
  assert.equal(JSON.parse((await as('list', '--json')).stdout).bans[0].failures, 31)
  assert.deepEqual(await as('lift', '198.51.100.7'), { code: 0, stdout: '', stderr: 'mooring: 198.51.100.7 may come again.\n' })
  const again = await as('lift', '198.51.100.7')
  assert.deepEqual([again.code, again.stdout], [1, ''])
  assert.match(again.stderr, /is not shut out/)
})

test('claims: a device that waits is listed, accepted or refused by its code', async (t) => {
  const hub = await startHub(t, { allowClaims: true })
  const come = async (device: string, secret?: string) => {
    const response = await hub.post('/v1/provision', { device, secret })
    return { status: response.status, ...((await response.json()) as { claim: string; secret: string; token?: string; code?: string }) }
  }
  const as = (...args: string[]) => run(t, ['claims', ...args, '--url', hub.url])
  const [pump, fan] = [await come('pump-7'), await come('fan-7')]
  const list = await as()
  assert.match(
    list.stdout,
    new RegExp(`^code +device +address +since +until +accepted\\n-.*\\n${pump.claim} +pump-7 +127\\.0\\.0\\.1 +20.* +no\\n`),
  )
  const accepted = await as('accept', pump.claim, '--type', 'pump', '--tag', 'site=north')
  assert.deepEqual([accepted.code, accepted.stderr], [0, 'mooring: pump-7 at 127.0.0.1 is let in when it asks the next time.\n'])
  assert.match((await come('pump-7', pump.secret)).token ?? '', /^mrg_/)
  assert.deepEqual(((await hub.get('/v1/devices/pump-7')) as { tags: object }).tags, { site: 'north' })
  assert.equal((await as('refuse', fan.claim)).stderr, 'mooring: fan-7 at 127.0.0.1 is refused.\n')
  assert.equal((await come('fan-7', fan.secret)).code, 'claim-ended')
  const unknown = await as('accept', fan.claim)
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /No device waits with the claim/)
})

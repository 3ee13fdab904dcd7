// Whatever of access cannot be read ends more closed than it was, never more open, and the hub says so.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { settingsWith } from '../../hub/config.ts'
import { startHub as start } from '../../hub/hub.ts'
import { atEnd } from '../kit/at-end.ts'
import { newFolder, startHub } from '../kit/hub.ts'
import { LogLines } from '../kit/log.ts'
import { allow, answerTo, ask, giveDevice, giveKey, keyWith, type Made, putRole, setDisabled } from './kit.ts'

interface Prepared {
  readonly folder: string
  readonly key: Made
  readonly other: Made
  readonly device: Made
}

/** A folder that a hub has left, with a key of a role, another of another, and a device that is shut out. */
async function prepare(t: TestContext): Promise<Prepared> {
  const folder = newFolder(t)
  const hub = await startHub(t, { data: folder })
  const key = await keyWith(hub, 'first', allow(['subscribe'], '#'))
  const other = await keyWith(hub, 'second', allow(['subscribe'], '#'))
  const device = await giveDevice(hub, 'out')
  await setDisabled(hub, 'out', true)
  await hub.stop()
  return { folder, key, other, device }
}

function change(folder: string, sql: string, ...values: string[]): void {
  const db = new Database(join(folder, 'mooring.db'))
  const { changes } = db.prepare(sql).run(...values)
  db.close()
  assert.equal(changes, 1, sql)
}

/** As it starts again, and what it logs. */
async function startAgain(t: TestContext, folder: string) {
  const log = new LogLines()
  const settings = settingsWith({ mqttPort: 0, httpPort: 0, mqttsPort: 'off', httpsPort: 'off', data: folder })
  const hub = await start({ settings, log: log.log, onFatal: assert.fail })
  atEnd(t, () => hub.stop())
  const url = `http://127.0.0.1:${hub.listeners.http.port}`
  return { url, lines: log.at('error'), get: (path: string, made: Made) => answerTo({ url } as never, 'GET', path, made) }
}

for (const body of ['no JSON', '', '[]', 'null', '{}', '{"of":{"is":"key","name":"first"}}']) {
  test(`a credential whose record is ${body === '' ? 'empty' : body} opens nothing, and others are as before`, async (t) => {
    const { folder, key, other, device } = await prepare(t)
    change(folder, `UPDATE access SET body = ? WHERE kind = 'credential' AND id = ?`, body, key.id)
    const { get, lines } = await startAgain(t, folder)
    assert.deepEqual(await get('/v1/devices', key), [401, 'bad-credentials'], 'nor is it taken for nobody, who may do everything here')
    assert.deepEqual(await get('/v1/devices', other), [200, undefined])
    assert.deepEqual(await get('/v1/latest?device=out', device), [403, 'device-disabled'])
    assert.deepEqual(lines, [`The credential ${key.id} cannot be read, so it allows nothing.`])
  })
}

for (const [what, body] of [
  ['no JSON', 'allow all'],
  ['no list', '{}'],
  [
    'a rule that cannot be used',
    '[{"effect":"allow","actions":["subscribe"],"filter":"#"},{"effect":"deny","actions":["subscribe"],"filter":"a#"}]',
  ],
  [
    'an effect of a later version',
    '[{"effect":"allow","actions":["subscribe"],"filter":"#"},{"effect":"unless","actions":["subscribe"],"filter":"a"}]',
  ],
  [
    'an unknown variable',
    '[{"effect":"allow","actions":["subscribe"],"filter":"#"},{"effect":"deny","actions":["subscribe"],"filter":"%x/#"}]',
  ],
] as const) {
  test(`a role whose record is ${what} allows nothing at all`, async (t) => {
    const { folder, key, other } = await prepare(t)
    change(folder, `UPDATE access SET body = ? WHERE kind = 'role' AND id = 'first'`, body)
    const { get, lines } = await startAgain(t, folder)
    assert.deepEqual(await get('/v1/devices', key), [403, 'not-allowed'])
    assert.deepEqual(await get('/v1/devices', other), [200, undefined])
    assert.deepEqual(lines, ['The role first cannot be read, so it allows nothing.'])
  })
}

test('a role that is gone, and one without rules, allow nothing (CVE-2018-12550)', async (t) => {
  const hub = await startHub(t)
  const key = await keyWith(hub, 'empty')
  assert.deepEqual(await answerTo(hub, 'GET', '/v1/devices', key), [403, 'not-allowed'])
  await putRole(hub, 'empty', allow(['subscribe'], '#'))
  assert.deepEqual(await answerTo(hub, 'GET', '/v1/devices', key), [200, undefined])
  await ask(hub, 'DELETE', '/v1/roles/empty')
  assert.deepEqual(await answerTo(hub, 'GET', '/v1/devices', key), [403, 'not-allowed'])
  const response = await fetch(`${hub.url}/v1/keys/next`, { method: 'POST', body: '{"role":"empty"}' })
  assert.equal(((await response.json()) as { code: string }).code, 'role-unknown')
})

test('a record of another kind under the name of a built-in role changes nothing of it', async (t) => {
  const { folder } = await prepare(t)
  const rules = JSON.stringify([allow(['publish', 'subscribe', 'admin'], '#')])
  change(folder, `INSERT INTO access (kind, id, body) VALUES ('role', 'viewer', ?)`, rules)
  const { url, lines } = await startAgain(t, folder)
  const viewer = await giveKey({ url } as never, 'looks')
  assert.deepEqual(await answerTo({ url } as never, 'POST', '/v1/publish', viewer, '{"topic":"a","payload":1}'), [403, 'not-allowed'])
  assert.deepEqual(lines, ['The role viewer cannot be read, so it allows nothing.'])
})

test('a device whose record of being disabled cannot be read stays outside', async (t) => {
  const { folder, device } = await prepare(t)
  change(folder, `UPDATE access SET body = 'no JSON' WHERE kind = 'disabled' AND id = 'out'`)
  const { get } = await startAgain(t, folder)
  assert.deepEqual(await get('/v1/latest?device=out', device), [403, 'device-disabled'])
})

for (const [what, sql] of [
  ['gone', `DELETE FROM access WHERE kind = 'secret' AND id = 'tokens'`],
  ['no JSON', `UPDATE access SET body = 'no JSON' WHERE kind = 'secret' AND id = 'tokens'`],
  ['too short', `UPDATE access SET body = '"AAAA"' WHERE kind = 'secret' AND id = 'tokens'`],
] as const) {
  test(`a secret of the hub that is ${what} while there are credentials ends the start with a sentence`, async (t) => {
    const { folder } = await prepare(t)
    change(folder, sql)
    await assert.rejects(startAgain(t, folder), /The secret tokens of the hub cannot be read; restore the data folder from a backup\./)
    await assert.rejects(startAgain(t, folder), /The secret tokens/, 'nor is one made by the first try')
  })
}

test('settings that cannot be had or read end the start, and nothing listens', (t) => {
  const folder = newFolder(t)
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  mkdirSync(join(folder, 'a folder'))
  const main = join(import.meta.dirname, '..', '..', 'hub', 'main.ts')
  const data = join(folder, 'data')
  const cases: readonly (readonly [string, number, RegExp])[] = [
    [`--config=${join(folder, 'not there')}`, 2, /cannot be read/],
    [`--config=${join(folder, 'a folder')}`, 2, /cannot be read/],
    [`--config=${file('torn.toml', 'allow-anonymous = "nobo')}`, 2, /is not TOML/],
    [`--config=${file('typo.toml', 'allow-anonymus = "nobody"')}`, 2, /does not exist/],
    [`--config=${file('value.toml', 'allow-anonymous = "noone"')}`, 2, /allow-anonymous takes/],
    [`--config=${file('type.toml', 'allow-anonymous = 0')}`, 2, /allow-anonymous takes/],
    [`--scram-file=${join(folder, 'not there')}`, 1, /cannot be read/],
    [`--scram-file=${join(folder, 'a folder')}`, 1, /cannot be read/],
    [`--scram-file=${file('users', 'ada:no verifier\n')}`, 1, /line 1/],
    [`--tls-ca=${join(folder, 'not there')}`, 1, /tls-ca/],
  ]
  for (const [flag, code, sentence] of cases) {
    const ports = ['--mqtt-port', '0', '--http-port', '0', '--mqtts-port', 'off', '--https-port', flag.startsWith('--tls') ? '0' : 'off']
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, '--ready-json', ...ports, '--data', data, flag], {
      timeout: 20_000,
    })
    assert.deepEqual([status, stdout.toString()], [code, ''], `${flag}: ${stderr}`)
    assert.match(stderr.toString(), sentence, flag)
    if (code === 2) assert.equal(existsSync(data), false, flag)
  }
})

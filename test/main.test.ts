// The process as people and supervisors meet it: flags, exit codes, what it prints, how it stops.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { describe, type TestContext, test } from 'node:test'
import { readConfiguration, SettingError, settings } from '../hub/config.ts'
import { nodeFlags } from '../simulators/hub-process.ts'
import { newFolder, spawnHub } from './kit/hub.ts'
import { moor } from './kit/mqtt.ts'
import { readSources, root } from './kit/sources.ts'

const main = join(root, 'hub', 'main.ts')
const freePorts = ['--mqtt-port', '0', '--http-port', '0', '--mqtts-port', 'off', '--https-port', 'off']

/** The environment of this test without settings that a person may have exported. */
function environment(more: Readonly<Record<string, string>> = {}): Record<string, string | undefined> {
  const rest = Object.entries(process.env).filter(([name]) => !name.startsWith('MOORING_'))
  return { ...Object.fromEntries(rest), ...more }
}

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a hub that is meant to end by itself. */
function run(folder: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: folder,
    env: environment(more),
    encoding: 'utf8',
    timeout: 10_000,
    killSignal: 'SIGKILL', // a hub that started instead of ending shows as the code null
  })
  return { code: status, stdout, stderr }
}

/** One sentence for people, no stack. */
function assertSentence(ended: Ended, code: number, sentence: RegExp): void {
  assert.equal(ended.code, code, `ended with ${ended.code} and said: ${ended.stderr}${ended.stdout}`)
  assert.match(ended.stderr, sentence)
  assert.match(ended.stderr, /^mooring: .+\n$/)
  assert.equal(ended.stdout, '')
}

/** Said, and said once. */
function assertTold(text: string, line: RegExp): void {
  assert.equal(text.split('\n').filter((said) => line.test(said)).length, 1, text)
}

/** Starts a hub as a person does and returns what it prints once it is ready. */
async function start(t: TestContext, folder: string, ...flags: string[]): Promise<{ child: ChildProcess; page: string }> {
  const child = spawn(process.execPath, [main, ...freePorts, '--log-level', 'warn', ...flags], {
    cwd: folder,
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    await exited
  })
  // One write, and small enough to arrive whole.
  const [page] = (await once(child.stdout as Readable, 'data')) as [Buffer]
  return { child, page: page.toString() }
}

describe('settings', () => {
  test('--help names every setting with its sentence and its default', (t) => {
    const { code, stdout } = run(newFolder(t), ['--help'])
    assert.equal(code, 0)
    for (const { flag, says, default: standard } of Object.values(settings)) {
      const lines = stdout.split('\n')
      const at = lines.findIndex((text) => `${text.trim()} `.startsWith(`--${flag} `))
      const line = lines.slice(at, at + 2).join(' ') // a long flag has its sentence on the next line
      assert.ok(line.includes(says), `--${flag} lacks its sentence`)
      if (standard !== '') assert.ok(line.includes(`${says} [${standard}]`), `--${flag} lacks its default`)
    }
    for (const command of ['--config', '--check', '--version']) assert.match(stdout, new RegExp(`^ +${command} `, 'm'))
  })

  test('--version prints the version of package.json', (t) => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    assert.deepEqual(run(newFolder(t), ['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
  })

  test('--check prints each value and its source: flag before variable before file before default', (t) => {
    const folder = newFolder(t)
    writeFileSync(
      join(folder, 'mooring.toml'),
      'http-port = 9001\nmqtt-port = 9002\ndata = "from-file"\nallow-origin = ["https://a.example", "https://b.example"]\n',
    )
    const variables = { MOORING_MQTT_PORT: '9003', MOORING_DATA: 'from-variable' }
    const { code, stdout } = run(folder, ['--check', '--data', 'from-flag', '--allow-anonymous'], variables)
    const rows = Object.fromEntries(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf(' ')), line.split(/ {2,}/).slice(1).join(' ')]),
    )
    assert.equal(code, 0)
    assert.deepEqual(
      Object.keys(rows),
      Object.values(settings).map(({ flag }) => flag),
    )
    assert.equal(rows['data'], 'from-flag --data')
    assert.equal(rows['mqtt-port'], '9003 MOORING_MQTT_PORT')
    assert.equal(rows['http-port'], '9001 mooring.toml')
    assert.equal(rows['allow-origin'], 'https://a.example,https://b.example mooring.toml')
    assert.equal(rows['allow-anonymous'], 'everyone --allow-anonymous')
    assert.equal(rows['durability'], 'fsync default')
    assert.equal(rows['listen'], '127.0.0.1 default')
    assert.ok(!existsSync(join(folder, 'from-flag')), 'a check makes nothing')
  })

  test('--config names another file, and so does MOORING_CONFIG', (t) => {
    const folder = newFolder(t)
    writeFileSync(join(folder, 'mooring.toml'), 'http-port = 9001\n')
    writeFileSync(join(folder, 'other.toml'), 'http-port = 9009\n')
    assert.match(run(folder, ['--check', '--config', 'other.toml']).stdout, /^http-port +9009 +other\.toml$/m)
    assert.match(run(folder, ['--check'], { MOORING_CONFIG: 'other.toml' }).stdout, /^http-port +9009 +other\.toml$/m)
    assert.match(run(folder, ['--check', '--auth-secret', 'Bearer s3cret']).stdout, /^auth-secret +\(not shown\) +--auth-secret$/m)
  })

  const wrong: readonly (readonly [what: string, args: string[], sentence: RegExp, toml?: string, variables?: Record<string, string>])[] = [
    ['an unknown flag', ['--mqt-port', '1'], /^There is no setting --mqt-port\. Did you mean --mqtt-port\? --help lists them all\.$/],
    ['a word that is no flag', ['start'], /^There is no setting start\. --help lists them all\.$/],
    ['a flag without its value', ['--data'], /^--data needs a value after it\.$/],
    ['a port out of range', ['--http-port', '65536'], /^--http-port takes a port from 0 .+ given "65536"\.$/],
    ['a durability nobody knows', ['--durability', 'fast'], /^--durability takes one of fsync, batched, memory; it was given "fast"\.$/],
    ['an address that is a name', ['--listen=example.org'], /^--listen takes an IP address/],
    ['an origin with a path', ['--allow-origin', 'https://a.example/x'], /^--allow-origin takes origins such as/],
    ['a wrong variable', [], /^MOORING_HTTP_PORT takes a port .+ given "http"\.$/, '', { MOORING_HTTP_PORT: 'http' }],
    ['an unknown key in the file', [], /mooring\.toml sets durabilty, .+ Did you mean --durability\?/, 'durabilty = "fsync"'],
    ['a wrong value in the file, with its key', [], /mooring\.toml.* mqtt-port takes a port .+ given "true"\.$/, 'mqtt-port = true'],
    ['a file that is not TOML', [], /mooring\.toml is not TOML/, 'mqtt-port = = 1'],
    ['a file that is not there', ['--config', 'absent.toml'], /absent\.toml cannot be read/],
  ]
  for (const [what, args, sentence, toml = '', variables = {}] of wrong) {
    test(`${what} is told in a sentence`, (t) => {
      const file = join(newFolder(t), 'mooring.toml')
      writeFileSync(file, toml)
      assert.throws(
        () => readConfiguration(toml === '' ? args : [...args, '--config', file], variables),
        (error) => error instanceof SettingError && sentence.test(error.message) && !error.message.includes('\n'),
      )
    })
  }

  const warningsOf = (variables: Record<string, string>) => readConfiguration([], variables).warnings

  test('a variable that is no setting is named, with the one that was meant', () => {
    assert.deepEqual(warningsOf({ MOORING_MQT_PORT: '1', MOORING_COLOUR: 'red', MOORING_CONFG: 'x', MOORED: 'y', PATH: 'z' }), [
      'There is no setting MOORING_MQT_PORT, so it is passed over. Did you mean MOORING_MQTT_PORT? --help lists them all.',
      'There is no setting MOORING_COLOUR, so it is passed over. --help lists them all.',
      'There is no setting MOORING_CONFG, so it is passed over. Did you mean MOORING_CONFIG? --help lists them all.',
    ])
  })

  test('no word about variables that are settings, of the command line, of the tests, or set by Kubernetes for a service named mooring', () => {
    const ofTests = readSources(['test', 'simulators']).flatMap(({ text }) =>
      [...text.matchAll(/process\.env\['(MOORING_\w+)'\]/g)].map(([, name]) => name as string),
    )
    assert.ok(ofTests.includes('MOORING_TEST_LOG'))
    assert.deepEqual(warningsOf(Object.fromEntries(ofTests.map((name) => [name, '1']))), [])
    assert.deepEqual(warningsOf({ MOORING_HTTP_PORT: '9000', MOORING_SCRAM_FILE: '' }), [])
    assert.deepEqual(warningsOf({ MOORING_KEY: 'mrg_' }), [], 'of the command line')
    const address = 'tcp://10.0.0.1:1883'
    const ofKubernetes = { MOORING_SERVICE_HOST: '10.0.0.1', MOORING_SERVICE_PORT_MQTT: '1883', MOORING_PORT: address }
    assert.deepEqual(warningsOf({ ...ofKubernetes, MOORING_PORT_1883_TCP: address, MOORING_PORT_1883_TCP_ADDR: '10.0.0.1' }), [])
    assert.deepEqual(warningsOf({ MOORING_PORT: '9000' }), [], 'a setting too, which is told from the address by its form')
  })

  test('a variable that is no setting is told once: by --check on stderr, by a start in the log, and the hub starts', async (t) => {
    const folder = newFolder(t)
    const checked = run(folder, ['--check'], { MOORING_DURABILTY: 'memory' })
    assertTold(checked.stderr, /^mooring: There is no setting MOORING_DURABILTY, .+Did you mean MOORING_DURABILITY\?/)
    assert.match(checked.stdout, /^durability +fsync +default$/m)
    assert.equal(checked.code, 0)

    const child = spawn(process.execPath, [main, ...freePorts], {
      cwd: folder,
      env: environment({ MOORING_DURABILTY: 'memory' }),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const exited = once(child, 'exit')
    t.after(async () => {
      child.kill('SIGKILL')
      await exited
    })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    await once(child.stdout, 'data')
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
    assertTold(stderr, /"level":40.+There is no setting MOORING_DURABILTY/)
  })

  test('a wrong flag, variable or key ends the start with exit code 2 and makes no database', (t) => {
    const folder = newFolder(t)
    assertSentence(run(folder, ['--mqt-port', '1']), 2, /Did you mean --mqtt-port\?/)
    assertSentence(run(folder, [], { MOORING_DURABILITY: 'fast' }), 2, /MOORING_DURABILITY takes one of fsync, batched, memory/)
    writeFileSync(join(folder, 'mooring.toml'), 'durabilty = "fsync"')
    assertSentence(run(folder, []), 2, /mooring\.toml sets durabilty/)
    assert.ok(!existsSync(join(folder, 'data')))
  })
})

test('the image and the compose file offer the ports that a hub has by default', () => {
  const { mqttPort, httpPort, mqttsPort, httpsPort } = settings
  const defaults = [mqttPort, httpPort, mqttsPort, httpsPort].map(({ default: port, says }) =>
    port === 'auto' ? says.match(/auto is (\d+)/)?.[1] : port,
  )
  const read = (file: string) => readFileSync(join(root, file), 'utf8')
  assert.deepEqual(
    read('hub/Dockerfile')
      .match(/^EXPOSE (.+)$/m)?.[1]
      ?.split(' '),
    defaults,
  )
  const published = [...read('docker-compose.yml').matchAll(/^ +- "127\.0\.0\.1:(\d+):(\d+)"/gm)]
  assert.deepEqual(
    published.map(([, outside, inside]) => [outside, inside]),
    defaults.map((port) => [port, port]),
  )
})

test('npm start, the image and the simulators start the hub with the same flags of Node', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { start: string } }
  assert.ok(scripts.start.endsWith(` exec node_modules/.bin/node ${nodeFlags.join(' ')} hub/main.ts`), scripts.start)
  const entry = /^ENTRYPOINT (.+)$/m.exec(readFileSync(join(root, 'hub', 'Dockerfile'), 'utf8'))?.[1] ?? ''
  assert.deepEqual(JSON.parse(entry), ['node', ...nodeFlags])
})

describe('a start that fails', () => {
  for (const [flag, other] of [
    ['--mqtt-port', '--http-port'],
    ['--http-port', '--mqtt-port'],
  ] as const) {
    test(`a taken ${flag} ends it with exit code 1 and says what to do`, async (t) => {
      const taken = createServer().listen(0, '127.0.0.1')
      await once(taken, 'listening')
      t.after(() => taken.close())
      const { port } = taken.address() as { port: number }
      const ended = run(newFolder(t), [flag, String(port), other, '0', '--log-level', 'silent'])
      assertSentence(ended, 1, new RegExp(`Port ${port} is taken by another program\\. Choose another with ${flag}`))
    })
  }

  test('an address of another machine ends it with exit code 1', (t) => {
    assertSentence(run(newFolder(t), [...freePorts, '--listen', '192.0.2.1']), 1, /192\.0\.2\.1 is not an address of this machine/)
  })

  test('an issuer of tokens or a service for passwords that cannot be used safely ends it with exit code 1', (t) => {
    const issuer = ['--jwt-keys', 'https://issuer.example/keys']
    assertSentence(run(newFolder(t), [...freePorts, ...issuer]), 1, /An issuer has a name and an audience/)
    assertSentence(run(newFolder(t), [...freePorts, '--auth-url', 'http://login.example/']), 1, /Passwords are sent to https/)
    assertSentence(run(newFolder(t), [...freePorts, '--auth-url', 'login']), 2, /--auth-url takes a URL/)
  })

  // Rights do not hold back the root user, so these are refused to everyone.
  const unusable: readonly (readonly [what: string, data: string, make: (folder: string) => void])[] = [
    ['a data folder that is a file', 'file', (folder) => writeFileSync(join(folder, 'file'), '')],
    ['a data folder below a file', 'file/data', (folder) => writeFileSync(join(folder, 'file'), '')],
    ['a database that is a folder', 'data', (folder) => mkdirSync(join(folder, 'data', 'mooring.db'), { recursive: true })],
    [
      'a database that is something else',
      'data',
      (folder) => {
        mkdirSync(join(folder, 'data'))
        writeFileSync(join(folder, 'data', 'mooring.db'), 'nothing of SQLite\n'.repeat(1000))
      },
    ],
  ]
  for (const [what, data, make] of unusable) {
    test(`${what} ends it with exit code 1 and a sentence that names the setting`, (t) => {
      const folder = newFolder(t)
      make(folder)
      assertSentence(run(folder, [...freePorts, '--data', data]), 1, /--data/)
    })
  }

  test('a second hub on the same data folder ends with exit code 1, and the first goes on', async (t) => {
    const folder = newFolder(t)
    const first = await spawnHub(t, folder)
    const second = run(folder, [...freePorts, '--data', folder, '--log-level', 'silent'])
    assertSentence(second, 1, /Another Mooring uses the folder .+ --data/)
    assert.equal((await first.post('/v1/devices/boiler-1/telemetry', { temperature: 61.3 })).status, 200)
  })
})

describe('ready', () => {
  test('--ready-json prints one line with the ports and the process', async (t) => {
    const folder = newFolder(t)
    const child = spawn(process.execPath, [main, ...freePorts, '--ready-json', '--log-level', 'warn'], { cwd: folder, env: environment() })
    let stdout = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    await once(createInterface(child.stdout), 'line')
    const ready = JSON.parse(stdout) as { mqtt: number; http: number }
    assert.deepEqual(ready, { ready: true, mqtt: ready.mqtt, http: ready.http, mqtts: null, https: null, port: null, pid: child.pid })
    assert.ok(Number.isInteger(ready.mqtt) && ready.mqtt > 0)
    assert.equal((await fetch(`http://127.0.0.1:${ready.http}/readyz`)).status, 200)
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
    assert.equal(stdout.split('\n').length, 2, 'nothing but the line')
    assert.ok(existsSync(join(folder, 'data', 'mooring.db')), 'the default folder is ./data')
  })

  test('with MQTT off the line says null', async (t) => {
    const hub = await spawnHub(t, newFolder(t), '--mqtt-port', 'off')
    assert.equal(hub.mqttPort, null)
    const { listeners } = (await hub.get('/v1/hub')) as { listeners: { mqtt: unknown } }
    assert.equal(listeners.mqtt, null)
  })

  test('the page says where things are, and its lines work as they stand', async (t) => {
    const folder = newFolder(t)
    const { page } = await start(t, folder)
    const url = page.match(/Dashboard +(http:\/\/\S+)\//)?.[1] ?? assert.fail(page)
    assert.match(page, /^Mooring \d+\.\d+\.\d+ is ready after \d+ ms\.$/m)
    assert.match(page, /MQTT +mqtt:\/\/127\.0\.0\.1:\d+ +and over WebSocket at ws:\/\/127\.0\.0\.1:\d+\/mqtt/)
    assert.match(page, /Data +\.\/data +\(stored means on disk/)

    const lines = page.split('\n').map((line) => line.trim())
    const paste = (program: string) => {
      const line = lines.find((text) => text.startsWith(`${program} `)) ?? assert.fail(`no line to paste for ${program} in ${page}`)
      execFileSync('sh', ['-c', line], { cwd: folder, timeout: 5000, stdio: 'pipe' })
    }
    const newest = async () => {
      const device = (await (await fetch(`${url}/v1/devices/boiler-1`)).json()) as { latest: { temperature: { value: number } } }
      return device.latest.temperature.value
    }
    if (isInstalled('curl')) {
      paste('curl')
      assert.equal(await newest(), 61.3)
    } else t.diagnostic('curl is not installed: its line was not run')
    if (isInstalled('mosquitto_pub')) {
      paste('mosquitto_pub')
      assert.equal(await newest(), 61.2)
    } else t.diagnostic('mosquitto_pub is not installed: its line was not run')
  })

  test('the page names the CA that the hub made, and where TLS is spoken', async (t) => {
    const folder = newFolder(t)
    const { page } = await start(t, folder, '--mqtts-port', '0', '--https-port', '0')
    assert.match(page, /^ {2}TLS +mqtts:\/\/127\.0\.0\.1:\d+ +and https:\/\/127\.0\.0\.1:\d+\/$/m)
    const file = page.match(/^ {2}CA +(\S+)/m)?.[1] ?? assert.fail(page)
    assert.equal(file, join('data', 'tls', 'ca.crt'))
    assert.match(readFileSync(join(folder, file), 'utf8'), /BEGIN CERTIFICATE/)
    const own = ['--tls-cert', 'data/tls/host.crt', '--tls-key', 'data/tls/host.key']
    assert.doesNotMatch((await start(t, folder, '--data', 'other', '--port', '0', ...own)).page, /^ {2}CA /m, 'the hub made none')
    assert.doesNotMatch((await start(t, newFolder(t))).page, /^ {2}(CA|TLS) /m, 'nothing is served over TLS')
  })

  test('a durability below the default is said aloud', async (t) => {
    assert.match((await start(t, newFolder(t), '--durability', 'batched')).page, /WEAKER DURABILITY.*not a power cut/)
    assert.match((await start(t, newFolder(t), '--durability', 'memory')).page, /WEAKEST DURABILITY.*do not survive a crash/)
  })

  test('letting everyone in is said aloud', async (t) => {
    assert.match(
      (await start(t, newFolder(t), '--allow-anonymous')).page,
      /Everyone who can reach this address is let in without credentials/,
    )
    assert.match((await start(t, newFolder(t), '--listen', '0.0.0.0')).page, /Only this machine is let in without credentials/)
  })
})

describe('stop', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} says goodbye to everyone and ends with exit code 0 within 3 s`, async (t) => {
      const hub = await spawnHub(t, newFolder(t))
      const [older, newer, silent] = [await moor(t, hub, 'pump-4', 4), await moor(t, hub, 'pump-5', 5), await moor(t, hub, 'pump-6', 5)]
      silent.socket.pause() // reads no goodbye
      const events = await fetch(`${hub.url}/v1/events`)

      const askedMs = performance.now()
      hub.child.kill(signal)
      assert.equal((await newer.next('disconnect')).reasonCode, 0x8b) //  5: section 3.14.2.1, server shutting down
      await Promise.all([newer.closed, older.closed])
      assert.deepEqual(older.unread, [], 'MQTT 3.1.1 has no DISCONNECT from a server')
      await events.text().catch(() => {}) // ends, or is cut off
      assert.equal(await hub.exited, 0)
      assert.ok(performance.now() - askedMs < 3000)
      assert.equal(hub.stderr(), '', 'a stop that was asked for is no warning')
    })
  }

  test('readings survive a stop and a start', async (t) => {
    const folder = newFolder(t)
    const before = await spawnHub(t, folder)
    const pump = await moor(t, before, 'pump-7')
    await pump.publish('devices/pump-7/telemetry', '{"ts":1700000000000,"values":{"flow":1.5}}', { qos: 1 })
    await pump.publish('plant/notice', 'closed on Monday', { qos: 1, retain: true })
    assert.equal((await before.post('/v1/devices/boiler-1/telemetry', { temperature: 61.3 })).status, 200)
    await before.stop()

    const after = await spawnHub(t, folder)
    const { devices } = (await after.get('/v1/devices')) as { devices: { id: string; latest: Record<string, { value: unknown }> }[] }
    assert.deepEqual(devices.map(({ id }) => id).sort(), ['boiler-1', 'pump-7'])
    assert.equal(devices.find(({ id }) => id === 'boiler-1')?.latest['temperature']?.value, 61.3)
    const history = await after.get('/v1/devices/pump-7/telemetry?from=1699999999000&to=1700000001000')
    const { series } = history as { series: { metric: string; times: number[]; values: number[] }[] }
    assert.deepEqual(
      series.map(({ metric, times, values }) => ({ metric, times, values })),
      [{ metric: 'flow', times: [1700000000000], values: [1.5] }],
    )
    const reader = await moor(t, after, 'reader')
    await reader.subscribe('plant/#')
    assert.equal((await reader.next('publish')).payload.toString(), 'closed on Monday')
  })
})

function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}

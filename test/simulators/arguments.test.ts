import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ArgumentError, readArguments } from '../../simulators/arguments.ts'

const mainPath = fileURLToPath(new URL('../../simulators/main.ts', import.meta.url))

test('several squads and options in any order', () => {
  const { squads, hub, seconds, everySeconds, seed } = readArguments([
    '--seed=7',
    '200',
    'thermostats',
    '--every',
    '0.5',
    '50',
    'pump',
    '--seconds',
    '60',
  ])
  assert.deepEqual(squads, [
    { count: 200, profile: 'thermostat' },
    { count: 50, profile: 'pump' },
  ])
  assert.equal(hub.mqtt.href, 'mqtt://127.0.0.1:1883')
  assert.equal(hub.http.href, 'http://127.0.0.1:8080/')
  assert.deepEqual([seconds, everySeconds, seed], [60, 0.5, 7])
})

test('the past is told in any unit', () => {
  const seconds = (text: string) => readArguments(['5', 'pump', '--past', text]).pastSeconds
  assert.deepEqual(['90m', '24h', '1.5d', '1y'].map(seconds), [5_400, 86_400, 129_600, 31_536_000])
  assert.equal(readArguments(['5', 'pump']).pastSeconds, undefined)
})

const wrong: readonly (readonly [words: string, sentence: RegExp])[] = [
  ['', /how many of what/],
  ['thermostat 5', /"thermostat" is no number/],
  ['5', /5 of what\? Profiles are thermostat/],
  ['5 toaster', /no profile toaster; there are thermostat/],
  ['5 pump --url http://x', /--url takes a URL such as mqtt:/],
  ['5 pump --seconds soon', /--seconds takes a number above 0/],
  ['5 pump --every', /--every needs a value/],
  ['5 pump --fast', /no option --fast/],
  ['5 pump --past 365', /--past takes a time up to ten years such as 90m, 24h, 30d or 1y; it was given "365"/],
  ['5 pump --past 20y', /up to ten years/],
  ['90000 pump', /20000 is the most/],
]

for (const [words, sentence] of wrong) {
  test(`"fleet ${words}" is answered with a sentence`, () => {
    assert.throws(
      () => readArguments(words.split(' ').filter((word) => word !== '')),
      (error) => error instanceof ArgumentError && sentence.test(error.message),
    )
  })
}

test('without a hub the fleet says so and exits with 1', async () => {
  const fleet = spawn(process.execPath, [mainPath, '5', 'pump', '--url', 'mqtt://127.0.0.1:1'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  fleet.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  assert.deepEqual(await once(fleet, 'close'), [1, null])
  assert.match(said, /^fleet: No hub answers at 127\.0\.0\.1:1\. Start one with `npm start`/)
  assert.equal(said.trim().split('\n').length, 1)
})

// Topic names and filters: MQTT 5 section 4.7, shared subscriptions 4.8.2, and the strings they are made of, 1.5.4.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readTopicName, topicFilterProblem, topicNameProblem } from '../../../hub/mqtt/codec.ts'
import { isMqttString } from '../../../hub/mqtt/utf8.ts'

const goodFilters = [
  'a',
  '/',
  '#',
  '+',
  '+/+',
  '/+',
  'a/#',
  'a/+/b',
  '/#',
  '+/#',
  'a//b',
  '$SYS/#',
  '$share/g/a',
  '$share/g/+/#',
  '$share/g//',
  '$share',
  'é/\u{feff}',
]
const badFilters = [
  '',
  'a#',
  '#/',
  '##',
  'a/#/b',
  'a+',
  '+a',
  'a/+b/c',
  '++',
  'a\0',
  '$share/',
  '$share/g',
  '$share/g/',
  '$share//a',
  '$share/+/a',
  '$share/g#/a',
  '$share/g/a#',
  '\ud800',
]

test('well-formed topic filters pass', () => {
  for (const filter of goodFilters) assert.equal(topicFilterProblem(filter), undefined, filter)
})

test('malformed topic filters have a problem that can be said', () => {
  for (const filter of badFilters) assert.equal(typeof topicFilterProblem(filter), 'string', JSON.stringify(filter))
})

test('a topic at the limits passes as a name and as a filter, one past them does not', () => {
  for (const problem of [topicNameProblem, topicFilterProblem]) {
    assert.equal(problem('é'.repeat(512)), undefined)
    assert.match(problem(`a${'é'.repeat(512)}`) ?? '', /1025 bytes.*1024 \(limits.topicBytes\)/)
    assert.equal(problem('/'.repeat(31)), undefined)
    assert.match(problem('/'.repeat(32)) ?? '', /32 levels \(limits.topicLevels\)/)
  }
})

test('a topic name is read as it was written, U+FEFF included', () => {
  const buffer = Buffer.from('..\u{feff}é/\u{1f4a7}..')
  assert.equal(readTopicName(buffer, 2, buffer.length - 2), '\u{feff}é/\u{1f4a7}')
})

// The platform's decoder is the oracle; only U+0000 is judged otherwise.
test('strings are judged as the strict UTF-8 decoder of the platform does', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const lead = fc.constantFrom(0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf3, 0xf4, 0xf5, 0xff)
  const byte = fc.oneof(fc.integer({ min: 1, max: 255 }), lead, fc.constantFrom(0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf))
  const text = fc.string({ unit: 'binary' }).map((value) => [...Buffer.from(value)])
  fc.assert(
    fc.property(fc.oneof(fc.array(byte, { maxLength: 8 }), text), (source) => {
      const bytes = Buffer.from(source)
      let valid = true
      try {
        decoder.decode(bytes)
      } catch {
        valid = false
      }
      assert.equal(isMqttString(bytes, 0, bytes.length), valid && !bytes.includes(0))
    }),
    { numRuns: 8_000, seed: 1 },
  )
})

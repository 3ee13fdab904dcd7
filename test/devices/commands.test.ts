// A command as it is written, what a device may say of it, and what may become of what.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandIdOf, commandNumberOf, commandStates, isOver, mayBecome, readCommand, readReply } from '../../devices/commands.ts'
import { type Condition, holds, readCondition } from '../../devices/condition.ts'
import { expiryOf, requestProperties } from '../../devices/message.ts'
import { limits } from '../../hub/limits.ts'

test('a command is refused with a clause that says what it can be', () => {
  const cases: [unknown, RegExp][] = [
    [[], /^a command is a JSON object$/],
    [{ name: 'x', speed: 1 }, /^a command has no member "speed"$/],
    [{ params: 1 }, /^its name is text of 1 to 64 bytes$/],
    [{ name: 'x', key: '' }, /^its key is text of 1 to 64 bytes$/],
    [{ name: 'x', expiresInSeconds: 0 }, /^expiresInSeconds is 1 to 604800 \(limits\.commandSecondsMax\)$/],
    [{ name: 'x', attempts: 11 }, /^attempts is 1 to 10 \(limits\.commandAttemptsMax\)$/],
    [{ name: 'x', params: 'y'.repeat(limits.commandBytes) }, /^its params have 16386 bytes .*\(limits\.commandBytes\)$/],
    [{ name: 'x', until: { metric: 'a' } }, /^until is /],
    [{ name: 'x', until: { metric: 'a', reported: 'b', equals: 1 } }, /^until is /],
    [{ name: 'x', until: { metric: 'a', above: 1, below: 2 } }, /^until is /],
    [{ name: 'x', until: { metric: 'a', above: '1' } }, /^above is a number$/],
    [{ name: 'x', until: { metric: 'a', between: [1] } }, /^between is two numbers$/],
    [{ name: 'x', until: { metric: 'a', equals: 1, withinSeconds: 0.5 } }, /^withinSeconds is 1 to 604800/],
  ]
  for (const [value, clause] of cases) assert.match(String(readCommand(value, limits)), clause)
  const wanted = { name: 'x', params: {}, key: undefined, expiresInSeconds: limits.commandSeconds, attempts: 3, until: undefined }
  assert.deepEqual(readCommand({ name: 'x' }, limits), wanted)
})

test('a condition holds for the values it names, whatever the order of members', () => {
  const condition = (said: object) => readCondition({ metric: 'm', ...said }, limits) as Condition
  const cases: [object, unknown, boolean][] = [
    [{ equals: { a: 1, b: [true, null] } }, { b: [true, null], a: 1 }, true],
    [{ equals: { a: 1 } }, { a: 1, b: 2 }, false],
    [{ equals: [1, 2] }, [2, 1], false],
    [{ equals: null }, undefined, false],
    [{ above: 10 }, 10, false],
    [{ above: 10 }, 10.5, true],
    [{ above: 10 }, '11', false],
    [{ below: 0 }, -1, true],
    [{ between: [1, 2] }, 2, true],
    [{ between: [1, 2] }, 2.1, false],
  ]
  for (const [said, value, isSo] of cases) assert.equal(holds(condition(said), value), isSo, JSON.stringify([said, value]))
})

test('a reply says one of four things, or nothing', () => {
  assert.deepEqual(readReply('{"status":"done","result":[1],"more":2}'), { status: 'done', result: [1], reason: undefined })
  assert.deepEqual(readReply('{"status":"failed","reason":"jammed"}'), { status: 'failed', result: undefined, reason: 'jammed' })
  for (const payload of ['', 'done', '[]', 'null', '{"status":"ok"}', '{}']) assert.match(String(readReply(payload)), /^a reply is /)
})

test('nothing leaves an end, and what is not over can always be given up', () => {
  for (const from of commandStates) {
    const ends = isOver(from, true)
    for (const to of commandStates) assert.ok(!ends || !mayBecome(from, to), `${from} → ${to}`)
    assert.equal(mayBecome(from, 'cancelled'), !ends, from)
  }
  assert.deepEqual([isOver('done', false), isOver('done', true), isOver('sent', false)], [true, false, false])
  assert.equal(mayBecome('queued', 'received'), false, 'not before it was sent')
})

test('ids are one level of a topic, in order, and nothing else is taken for one', () => {
  const number = 1_795_472_978_069_000
  assert.equal(commandNumberOf(commandIdOf(number)), number)
  assert.ok(commandIdOf(number) < commandIdOf(number + 1))
  for (const text of ['', 'c1', 'HOFWWDEJ9K', '0000000001', 'hofwwdej9k/', 'zzzzzzzzzzz'])
    assert.equal(commandNumberOf(text), undefined, text)
})

test('properties of a request are those of MQTT 5, and the hub reads them as it wrote them', () => {
  const properties = requestProperties(3600, 'a/b', 'c1')
  assert.equal(Buffer.from(properties).toString('hex'), `0200000e1008000361${'2f62'}0900026331`)
  assert.equal(expiryOf(properties, 1000), 3_601_000)
})

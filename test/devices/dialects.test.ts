// Numbers that a dialect gives to what the hub calls by name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Numbers } from '../../devices/dialects/numbers.ts'

test('a name has one number of its device as long as it is among the newest, and fits into 31 bits', () => {
  const numbers = new Numbers(7, 2)
  assert.deepEqual([numbers.of('a', 'x'), numbers.of('b', 'x'), numbers.of('a', 'x')], [7, 8, 7])
  assert.deepEqual([numbers.nameOf('a', '7'), numbers.nameOf('b', '7'), numbers.nameOf('a', '07')], ['x', undefined, undefined])
  assert.equal(numbers.of('a', 'y'), 9)
  assert.deepEqual([numbers.nameOf('a', '7'), numbers.nameOf('b', '8'), numbers.nameOf('a', '9')], [undefined, 'x', 'y'])
  assert.equal(numbers.of('a', 'x'), 10, 'what was forgotten has another number')
  const last = new Numbers(2 ** 31 - 2, 10)
  assert.deepEqual([last.of('a', 'x'), last.of('a', 'y')], [2 ** 31 - 2, 0])
})

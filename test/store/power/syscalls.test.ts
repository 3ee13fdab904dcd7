// Lines of strace as they are printed, and what is read from them.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { newFolder } from '../kit.ts'
import { bytesOf, pathBehind, splitArgs, stepsIn } from './syscalls.ts'

test('bytes in quotes are read back', () => {
  const pairs = [
    ['""', ''],
    ['"abc, \\"d\\" <e>"', '6162632c20226422203c653e'],
    ['"\\0\\1\\0001\\177\\3770"', '000100317fff30'],
    ['"\\n\\t\\r\\f\\v\\\\"', '0a090d0c0b5c'],
  ] as const
  for (const [quoted, hex] of pairs) assert.equal(bytesOf(quoted).toString('hex'), hex, quoted)
  assert.throws(() => bytesOf('"abc"...'), /cut an argument short/)
})

test('arguments are told apart at the commas between them', () => {
  assert.deepEqual(splitArgs('33</a, b/c>, "d, \\", e", 24, 0'), ['33</a, b/c>', '"d, \\", e"', '24', '0'])
  assert.deepEqual(splitArgs(''), [])
})

test('the path behind a descriptor ends with the name of the file', () => {
  assert.equal(pathBehind('33</data/a.db>'), '/data/a.db')
  assert.equal(pathBehind('33</data/a.db>(deleted)'), undefined)
  assert.equal(pathBehind('33'), undefined)
})

test('a call that another thread interrupts begins and ends in its places', (t) => {
  const log = join(newFolder(t), 'log')
  const lines = [
    '10 pwrite64(3</disk/a>, "x", 1, 0 <unfinished ...>',
    '11 write(1<pipe:[7]>, "stored 1\\n", 9) = 9',
    '11 openat(AT_FDCWD</>, "/elsewhere", O_RDONLY) = 4</elsewhere>',
    '10 <... pwrite64 resumed>)            = 1',
    '11 fsync(3</disk/a>)                  = -1 EIO (Input/output error) (INJECTED)',
    '11 --- SIGCHLD {si_signo=SIGCHLD} ---',
    '10 fsync(3</disk/a> <unfinished ...>',
    '11 +++ killed by SIGKILL +++',
  ]
  writeFileSync(log, `${lines.join('\n')}\n`)
  const steps = Array.from(
    stepsIn(log, ['/disk/', 'write(1<']),
    (step) => `${step.is} ${step.call.name} ${step.is === 'end' ? step.returned : step.call.args.join(' ')}`,
  )
  assert.deepEqual(steps, [
    'begin pwrite64 3</disk/a> "x" 1 0',
    'begin write 1<pipe:[7]> "stored 1\\n" 9',
    'end write 9',
    'end pwrite64 1',
    'begin fsync 3</disk/a>',
    'end fsync -1 EIO (Input/output error) (INJECTED)',
    'begin fsync 3</disk/a>',
  ])
})

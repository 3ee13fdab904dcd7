// The disk that the replayer builds, on rows of a few calls: what must be there is there with every seed, what may be lost is lost with some.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { randomFrom } from '../../kit/random.ts'
import { newFolder } from '../kit.ts'
import { type NameRule, Volume } from './volume.ts'

const root = '/disk'
const file = `${root}/a`

/** What 200 cuts leave: each folder as `name=text` in a row, each once. */
function outcomes(t: TestContext, rule: NameRule, happens: (volume: Volume) => void): string[] {
  const folder = newFolder(t)
  const seen = new Set<string>()
  for (let seed = 0; seed < 200; seed += 1) {
    const target = join(folder, String(seed))
    mkdirSync(target)
    const volume = new Volume(root, rule)
    happens(volume)
    volume.cutInto(target, randomFrom(seed))
    const names = readdirSync(target, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const texts = names.map(({ parentPath, name }) => `${name}=${readFileSync(join(parentPath, name), 'latin1')}`)
    seen.add(texts.sort().join(' '))
  }
  return [...seen].sort()
}

function write(volume: Volume, at: number, text: string, path = file): void {
  volume.write(path, at, Buffer.from(text)).settled = true
}

function sync(volume: Volume, path: string): void {
  volume.endSync(volume.beginSync(path))
}

test('what was synced is there, and of what came after it any part', (t) => {
  const found = outcomes(t, 'kept', (volume) => {
    volume.create(file)
    write(volume, 0, 'one')
    sync(volume, file)
    write(volume, 3, 'two')
    write(volume, 0, 'ONE')
  })
  assert.deepEqual(found, ['a=ONE', 'a=ONE\0\0\0', 'a=ONEtwo', 'a=one', 'a=one\0\0\0', 'a=onetwo'])
})

test('a sync covers what had returned when it began, and nothing that came while it ran', (t) => {
  const found = outcomes(t, 'kept', (volume) => {
    volume.create(file)
    const onItsWay = volume.write(file, 0, Buffer.from('1'))
    const syncing = volume.beginSync(file)
    onItsWay.settled = true
    volume.endSync(syncing)
  })
  assert.ok(found.includes('a='))
})

test('a write is torn between sectors of 512 bytes', (t) => {
  const found = outcomes(t, 'kept', (volume) => {
    volume.create(file)
    write(volume, 0, '.'.repeat(1536))
    sync(volume, file)
    write(volume, 500, 'x'.repeat(600))
  })
  const shapes = found.map((text) =>
    text
      .slice(2)
      .replace(/\.+|x+/g, (part) => `${part[0]}${part.length} `)
      .trim(),
  )
  for (const shape of ['.1536', '.500 x12 .1024', '.512 x512 .512', '.1024 x76 .436', '.500 x600 .436']) {
    assert.ok(shapes.includes(shape), `${shape} among ${shapes.join(', ')}`)
  }
  assert.equal(shapes.length, 8, 'each of the three sectors, or not')
})

test('a file that was cut short and not synced may be long again', (t) => {
  const found = outcomes(t, 'kept', (volume) => {
    volume.create(file)
    write(volume, 0, 'long')
    sync(volume, file)
    volume.resize(file, 1).settled = true
  })
  assert.deepEqual(found, ['a=l', 'a=long'])
})

test('a name is there for certain once its folder was synced; a sync of the file is enough only where names are journalled', (t) => {
  const make = (volume: Volume) => {
    volume.create(file)
    write(volume, 0, '1')
    sync(volume, file)
  }
  assert.deepEqual(outcomes(t, 'posix', make), ['', 'a=1'])
  assert.deepEqual(outcomes(t, 'journalled', make), ['a=1'])
  const makeAndSync = (volume: Volume) => {
    make(volume)
    sync(volume, root)
  }
  assert.deepEqual(outcomes(t, 'posix', makeAndSync), ['a=1'])
})

test('a file in a new folder is lost with the name of the folder', (t) => {
  const found = outcomes(t, 'posix', (volume) => {
    volume.makeFolder(`${root}/f`)
    volume.create(`${root}/f/a`)
    sync(volume, `${root}/f`)
  })
  assert.deepEqual(found, ['', 'a='])
})

test('a rename and a removal come whole or not at all', (t) => {
  const found = outcomes(t, 'posix', (volume) => {
    for (const [name, text] of [
      ['a', 'new'],
      ['b', 'old'],
      ['c', 'gone'],
    ] as const) {
      volume.create(`${root}/${name}`)
      write(volume, 0, text, `${root}/${name}`)
      sync(volume, `${root}/${name}`)
    }
    sync(volume, root)
    volume.rename(file, `${root}/b`)
    volume.remove(`${root}/c`)
  })
  assert.deepEqual(found, ['a=new b=old', 'a=new b=old c=gone', 'b=new', 'b=new c=gone'])
})

test('names that are journalled are lost from the newest on', (t) => {
  const found = outcomes(t, 'journalled', (volume) => {
    for (const name of ['a', 'b', 'c']) volume.create(`${root}/${name}`)
    sync(volume, file)
    for (const name of ['d', 'e']) volume.create(`${root}/${name}`)
  })
  assert.deepEqual(found, ['a= b= c=', 'a= b= c= d=', 'a= b= c= d= e='])
})

// The property table against MQTT 5 table 2-4, every property in every packet: allowed once, twice, cut off, with every kind of bad value.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProtocolVersion } from '../../../hub/mqtt/codec.ts'
import { type PropertyName, type PropertyPlace, properties } from '../../../hub/mqtt/properties.ts'
import { bytes, outcome, packet } from './kit.ts'

/** A packet around a block of properties, for each place they can stand. */
const packets: Record<PropertyPlace, (block: Buffer) => readonly [version: ProtocolVersion | 0, bytes: Buffer]> = {
  connect: (block) => [0, around(0x10, "0004 'MQTT' 05 02 003c", block, "0001 'c'")],
  will: (block) => [0, around(0x10, "0004 'MQTT' 05 06 003c 00 0001 'c'", block, "0001 'w' 0000")],
  publish: (block) => [5, around(0x30, "0001 'a'", block, "'payload'")],
  ack: (block) => [5, around(0x40, '0001 00', block, '')],
  subscribe: (block) => [5, around(0x82, '0001', block, "0001 'a' 00")],
  unsubscribe: (block) => [5, around(0xa2, '0001', block, "0001 'a'")],
  disconnect: (block) => [5, around(0xe0, '00', block, '')],
  auth: (block) => [5, around(0xf0, '18', block, '')],
}

function around(first: number, before: string, block: Buffer, after: string): Buffer {
  return packet(first, Buffer.concat([bytes(before), Buffer.from([block.length]), block, bytes(after)]))
}

const values = { flag: '01', u16: '0001', u32: '00000001', varint: '01', text: "0001 'x'", binary: '0001 ff', pair: "0001 'k' 0001 'v'" }

// Written from MQTT 5 table 2-4, not from our own table, restricted to what a client sends.
const table: Record<PropertyPlace, readonly number[]> = {
  connect: [0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
  will: [0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26],
  publish: [0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26],
  ack: [0x1f, 0x26],
  subscribe: [0x0b, 0x26],
  unsubscribe: [0x26],
  disconnect: [0x11, 0x1f, 0x26],
  auth: [0x15, 0x16, 0x1f, 0x26],
}

/** Authentication Data needs a method, and AUTH needs one always: the method that goes along where it is not itself the matter. */
function companion(place: PropertyPlace, id: number): Buffer {
  const needed = id !== 0x15 && (place === 'auth' || (place === 'connect' && id === 0x16))
  return needed ? bytes("15 0001 'm'") : Buffer.alloc(0)
}

function outcomeOf(place: PropertyPlace, id: number, ...blocks: (Buffer | string)[]): string {
  const parts = blocks.map((block) => (typeof block === 'string' ? bytes(block) : block))
  return outcome(...packets[place](Buffer.concat([companion(place, id), ...parts])))
}

for (const place of Object.keys(table) as PropertyPlace[]) {
  test(`in ${place}, each property of the specification is taken once, and only there`, () => {
    for (const { id, says, type } of Object.values(properties)) {
      const once = Buffer.concat([Buffer.from([id]), bytes(values[type])])
      const ofPublish = place === 'publish' && id === 0x0b // 5: [MQTT-3.3.4-6]
      const foreign = ofPublish ? 'protocol-error' : 'malformed-packet'
      assert.equal(outcomeOf(place, id, once), table[place].includes(id) ? 'accepted' : foreign, says)
      if (!table[place].includes(id)) continue
      assert.equal(outcomeOf(place, id, once, once), id === 0x26 ? 'accepted' : 'protocol-error', `${says} twice`)
      for (let length = 1; length < once.length; length++) {
        assert.equal(outcomeOf(place, id, once.subarray(0, length)), 'malformed-packet', `${says} cut off`)
      }
    }
  })

  test(`in ${place}, identifiers without a property are refused`, () => {
    const known = new Set<number>(Object.values(properties).map(({ id }) => id))
    for (let id = 0; id < 256; id++) if (!known.has(id)) assert.equal(outcomeOf(place, id, Buffer.from([id, 0, 1])), 'malformed-packet')
  })

  test(`in ${place}, values outside a property's range are refused`, () => {
    const neverZero = [0x0b, 0x21, 0x23, 0x27]
    for (const id of table[place]) {
      const { type, says } = Object.values(properties).find((row) => row.id === id) ?? assert.fail()
      const hex = Buffer.from([id]).toString('hex')
      if (type === 'flag') {
        assert.equal(outcomeOf(place, id, `${hex} 00`), 'accepted', says)
        for (const value of ['02', 'ff']) assert.equal(outcomeOf(place, id, hex + value), 'protocol-error', says)
      }
      const zero = { u16: '0000', u32: '00000000', varint: '00' }[type as string]
      if (zero !== undefined) assert.equal(outcomeOf(place, id, hex + zero), neverZero.includes(id) ? 'protocol-error' : 'accepted', says)
      if (type === 'varint') assert.equal(outcomeOf(place, id, `${hex} 8100`), 'malformed-packet', says)
      for (const bad of ['0001 00', '0001 ff', '0002 c0af', '0003 eda080']) {
        if (type === 'text') assert.equal(outcomeOf(place, id, hex + bad), 'malformed-packet', says)
        if (type === 'pair') assert.equal(outcomeOf(place, id, `${hex} ${bad} 0001 'v'`), 'malformed-packet', says)
        if (type === 'pair') assert.equal(outcomeOf(place, id, `${hex} 0001 'k' ${bad}`), 'malformed-packet', says)
      }
    }
  })
}

test('all 27 properties of MQTT 5 are in the table, each once', () => {
  const names = Object.keys(properties) as PropertyName[]
  assert.equal(names.length, 27)
  assert.equal(new Set(names.map((name) => properties[name].id)).size, 27)
})

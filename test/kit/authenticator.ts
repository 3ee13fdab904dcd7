// The app on a phone that makes codes: RFC 4226 and RFC 6238 as they are written, apart from what the hub uses.
import { createHmac } from 'node:crypto'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The six digits of a secret in base32, `steps` of 30 s after the moment. */
export function codeAt(secret: string, nowMs: number, steps = 0): string {
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from((bits.match(/.{8}/g) as string[]).map((byte) => Number.parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(nowMs / 30_000) + steps))
  const mac = createHmac('sha1', key).update(counter).digest()
  const at = (mac[19] as number) & 0xf
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

/** Six digits that are none of those which are good about now. */
export function wrongCode(secret: string, nowMs: number): string {
  const good = [-2, -1, 0, 1, 2].map((steps) => codeAt(secret, nowMs, steps))
  return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !good.includes(code)) as string
}

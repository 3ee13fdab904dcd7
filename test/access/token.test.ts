// Tokens: their form, what a slip of the hand makes of them, and the secret under which they are hashed.
import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { hubSecret } from '../../hub/access/secret.ts'
import { isLikeToken, isToken, makeToken, tokenHash, tokenLength } from '../../hub/access/token.ts'
import { MemoryAccessStore } from './kit.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'

test('a token is a prefix, 256 random bits and a checksum', () => {
  const tokens = Array.from({ length: 200 }, () => makeToken('mrg_'))
  assert.equal(new Set(tokens).size, 200)
  for (const token of tokens) {
    assert.match(token, /^mrg_[A-Za-z0-9_-]{49}$/)
    assert.equal(token.length, tokenLength)
    assert.equal(Buffer.from(token.slice(4, 47), 'base64url').length, 32)
    assert.ok(isToken(token, 'mrg_'))
    assert.ok(!isToken(token, 'mrp_'))
  }
})

test('one that was mistyped, cut off or swapped is told apart by itself', () => {
  const token = makeToken('mrg_')
  fc.assert(
    fc.property(fc.nat(token.length - 5), fc.constantFrom(...alphabet), (place, typed) => {
      const at = place + 4
      if (token[at] === typed) return
      assert.ok(!isToken(token.slice(0, at) + typed + token.slice(at + 1), 'mrg_'))
    }),
  )
  const swaps = Array.from({ length: 42 }, (_, at) => at + 4).filter((at) => token[at] !== token[at + 1])
  for (const at of swaps) {
    assert.ok(!isToken(`${token.slice(0, at)}${token[at + 1]}${token[at]}${token.slice(at + 2)}`, 'mrg_'))
  }
  for (const wrong of ['', 'mrg_', token.slice(1), token.slice(0, -1), `${token} `, token.replace('mrg_', 'mrp_'), token.toUpperCase()])
    assert.ok(!isToken(wrong, 'mrg_'))
})

test('what was meant for a token is known as one, whole or not', () => {
  assert.ok(isLikeToken('mrg_x'))
  assert.ok(isLikeToken(makeToken('mrp_')))
  assert.ok(!isLikeToken('ada'))
})

test('the hash is HMAC-SHA-256 under the key: another key, another hash', () => {
  // RFC 4231, test case 2
  assert.equal(
    tokenHash(createSecretKey(Buffer.from('Jefe')), 'what do ya want for nothing?'),
    Buffer.from('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843', 'hex').toString('base64url'),
  )
})

test('the secret is made at the first start, and the next start finds it', async () => {
  const store = new MemoryAccessStore()
  const made = await hubSecret(store, 'tokens')
  const other = await hubSecret(store, 'passwords')
  const found = await hubSecret(store.restarted(), 'tokens')
  assert.ok(made.equals(found))
  assert.ok(!made.equals(other))
  assert.equal(made.symmetricKeySize, 32)
})

test('a secret that cannot be read ends the start, and is not made anew', async () => {
  for (const body of ['', 'x', 'null', '"c2hvcnQ="', '{"key":1}']) {
    const store = new MemoryAccessStore([{ kind: 'secret', id: 'tokens', body }])
    await assert.rejects(hubSecret(store, 'tokens'), /restore the data folder/)
    assert.deepEqual(store.writes, [])
  }
})

test('a secret that cannot be written is not used', async () => {
  const store = new MemoryAccessStore()
  store.failing = true
  await assert.rejects(hubSecret(store, 'tokens'), /disk is gone/)
})

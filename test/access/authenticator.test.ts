// Who comes in, by each way, and with which client identifiers; who does not, and what is said of it.
import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { possibleOwners } from '../../devices/client-id.ts'
import type { Identity } from '../../devices/identity.ts'
import { Authenticator, type AuthenticatorParts, type Presented, type Proven } from '../../hub/access/authenticator.ts'
import type { Wanted } from '../../hub/access/credential.ts'
import { Credentials } from '../../hub/access/credentials.ts'
import { PasswordLogins } from '../../hub/access/password-logins.ts'
import { Passwords } from '../../hub/access/passwords.ts'
import { Roles } from '../../hub/access/roles.ts'
import { makeToken } from '../../hub/access/token.ts'
import { Refusal } from '../../hub/errors.ts'
import { admin, MemoryAccessStore, newTime, readRules, startMs } from './kit.ts'

const fingerprint256 = Array(32).fill('AB').join(':')
const certificate = { fingerprint256, commonName: 'pump-7', dnsNames: [], uris: [], issuer: '{}', expiresAt: startMs + 1_000_000 }
const nothing = {
  clientId: undefined,
  username: undefined,
  password: undefined,
  token: undefined,
  host: undefined,
  certificate: undefined,
  address: '10.0.0.1',
}

function open(t: TestContext, changes: Partial<AuthenticatorParts> = {}) {
  const store = new MemoryAccessStore()
  const time = newTime(t)
  const passwords = new Passwords({ memoryKiB: 64, passes: 1, lanes: 1 })
  const hashPassword = (password: Uint8Array) => passwords.hash(password)
  const told = { onEnded: () => {}, onFailure: (error: unknown) => assert.fail(String(error)) }
  const credentials = new Credentials({ store, key: createSecretKey(Buffer.alloc(32, 1)), hashPassword, ...time, ...told })
  const roles = new Roles({ store, clock: time.clock, readRules, onChanged: () => {} })
  const logins = new PasswordLogins({ credentials, passwords, clock: time.clock })
  const devices = new Map<string, { disabled: boolean; tags: Record<string, string> }>()
  const refusals: string[] = []
  const authenticator = new Authenticator({
    ...{ credentials, logins, roles, clock: time.clock },
    findDevice: (id) => devices.get(id),
    assertAnonymous: ({ address }) => {
      if (address !== '127.0.0.1') throw new Refusal('not-authorized', { address })
    },
    anonymousRole: 'admin',
    deviceRole: 'device',
    certificateNaming: 'nobody',
    ownIssuer: () => undefined,
    foreigners: {},
    onRefused: ({ who, from, code }) => refusals.push(`${who} ${from} ${code}`),
    ...changes,
  })
  const make = (name: string, wanted: Partial<Wanted> = {}) =>
    credentials.create({ of: { is: 'device', name }, kind: 'token', role: 'device', ...wanted }, admin)
  const come = (presented: Partial<Presented>) => authenticator.authenticate({ ...nothing, ...presented })
  const refused = (presented: Partial<Presented>, code: string) =>
    assert.rejects(
      async () => come(presented),
      (error) => error instanceof Refusal && error.code === code,
      JSON.stringify(presented),
    )
  return { credentials, roles, devices, make, come, refused, refusals, ...time }
}

const bytes = (text: string) => Buffer.from(text)

describe('a token', () => {
  test('lets its device in at once: as bearer, as the password of anybody, as a user name without one', async (t) => {
    const { make, come, devices, credentials } = open(t)
    const { secret, credential } = await make('pump-7', { until: startMs + 60_000 })
    devices.set('pump-7', { disabled: false, tags: { line: '3' } })
    const token = secret as string
    const ways: Partial<Presented>[] = [{ token }, { username: 'anybody', password: bytes(token) }, { password: bytes(token) }]
    ways.push({ username: token }, { username: token, password: bytes('') })
    for (const way of ways) {
      const identity = come({ ...way, clientId: 'pump-7' })
      assert.ok(!(identity instanceof Promise))
      const { rules, ...said } = identity
      assert.deepEqual(said, {
        ...{ is: 'device', name: 'pump-7', role: 'device', hasStandardRole: true, tags: { line: '3' } },
        ...{ credential: credential.id, until: startMs + 60_000 },
      })
      assert.deepEqual(rules, [{ effect: 'allow', actions: ['publish', 'subscribe', 'retain'], filter: 'devices/%d/#' }])
    }
    assert.equal(credentials.lastUsedAt(credential), startMs)
  })

  test('that is unknown, mistyped, revoked or for something else lets nobody in, not even where anonymous may', async (t) => {
    const { make, refused, credentials } = open(t)
    const { secret, credential } = await make('pump-7')
    const token = secret as string
    await credentials.revoke(credential.id, admin)
    for (const wrong of [token, makeToken('mrg_'), token.slice(0, -1), makeToken('mrp_'), 'x', ''])
      for (const way of [{ token: wrong }, ...(wrong.length > 1 ? [{ password: bytes(wrong) }, { username: wrong }] : [])])
        await refused({ ...way, address: '127.0.0.1' }, 'bad-credentials')
  })

  test('of a key is that of a program, with its role', async (t) => {
    const { make, come, roles } = open(t)
    await roles.put('line', [{ effect: 'allow', actions: ['publish'], filter: 'x' }], admin)
    const { secret } = await make('', { of: { is: 'key', name: 'mes' }, role: 'line' })
    const identity = come({ token: secret as string, clientId: 'anything' }) as Identity
    assert.equal(`${identity.is} ${identity.name} ${identity.rules[0]?.filter}`, 'key mes x')
    await roles.remove('line', admin)
    assert.deepEqual((come({ token: secret as string }) as Identity).rules, [])
  })
})

describe('user name and password', () => {
  test('let their owner in, and the second time at once', async (t) => {
    const { make, come } = open(t)
    await make('pump-7', { kind: 'password', name: 'pump', password: 'correct horse' })
    const presented = { username: 'pump', password: bytes('correct horse'), clientId: 'pump-7' }
    const first = come(presented)
    assert.ok(first instanceof Promise)
    assert.equal((await first).name, 'pump-7')
    assert.ok(!(come(presented) instanceof Promise))
  })

  test('that are wrong in either half get the same answer', async (t) => {
    const { make, come, refusals } = open(t)
    await make('pump-7', { kind: 'password', name: 'pump', password: 'correct horse' })
    const sentences: string[] = []
    for (const [username, password] of [
      ['pump', 'wrong horse'],
      ['pumq', 'correct horse'],
      ['', 'correct horse'],
      [undefined, 'correct horse'],
    ] as const) {
      const presented = { username, password: password === undefined ? undefined : bytes(password) }
      await assert.rejects(
        async () => come(presented),
        (error) => sentences.push(`${(error as Refusal).code} ${error}`) > 0,
      )
    }
    assert.equal(new Set(sentences).size, 1)
    assert.match(sentences[0] as string, /^bad-credentials/)
    assert.deepEqual(refusals.slice(0, 2), ['pump 10.0.0.1 bad-credentials', 'pumq 10.0.0.1 bad-credentials'])
  })

  test('a user name that is a token is nowhere said', async (t) => {
    const { refused, refusals } = open(t)
    const token = makeToken('mrg_')
    await refused({ username: token, clientId: token }, 'bad-credentials')
    await refused({ username: token, password: bytes('x') }, 'bad-credentials')
    assert.ok(!refusals.join().includes('mrg_'))
  })
})

describe('a certificate', () => {
  test('lets in whom it proves, until it or its credential ends', async (t) => {
    const { make, come } = open(t)
    const { credential } = await make('pump-7', { kind: 'certificate', name: `fingerprint:${fingerprint256}` })
    const identity = come({ certificate, clientId: 'pump-7', username: 'sdk=1' }) as Identity
    assert.deepEqual([identity.name, identity.credential, identity.until], ['pump-7', credential.id, certificate.expiresAt])
  })

  test('that has ended lets nobody in', async (t) => {
    const { make, refused, clock } = open(t)
    await make('pump-7', { kind: 'certificate', name: `fingerprint:${fingerprint256}` })
    clock.advance(1000)
    await refused({ certificate, address: '127.0.0.1' }, 'bad-credentials')
  })

  test('names a device by the setting, and does not help a wrong token', async (t) => {
    const { come, refused } = open(t, { certificateNaming: 'common-name' })
    const identity = come({ certificate }) as Identity
    assert.deepEqual([identity.is, identity.name, identity.role, identity.until], ['device', 'pump-7', 'device', certificate.expiresAt])
    await refused({ certificate, token: makeToken('mrg_') }, 'bad-credentials')
    await refused({ certificate, username: 'pump', password: bytes('x') }, 'bad-credentials')
    await refused({ certificate, clientId: 'pump-8' }, 'client-id-not-yours')
  })

  test("of the hub's own CA that is no credential any more is refused, also where nothing is asked for", async (t) => {
    const { refused } = open(t, { ownIssuer: () => certificate.issuer })
    await refused({ certificate, address: '127.0.0.1' }, 'bad-credentials')
  })

  test('that names nobody is as good as none', async (t) => {
    const { come, refused } = open(t)
    assert.equal((come({ certificate, address: '127.0.0.1' }) as Identity).is, 'anonymous')
    await refused({ certificate }, 'not-authorized')
  })
})

test('who presents nothing comes in where that is allowed, and nowhere else', async (t) => {
  const { come, refused } = open(t)
  const { rules, ...said } = come({ address: '127.0.0.1', clientId: 'anything' }) as Identity
  assert.deepEqual(said, { is: 'anonymous', name: '', role: 'admin', tags: {}, credential: undefined, until: undefined })
  assert.ok(rules.length > 0)
  await refused({}, 'not-authorized')
  await refused({ username: 'pump' }, 'not-authorized')
  assert.equal((come({ username: 'pump', address: '127.0.0.1' }) as Identity).is, 'anonymous', 'a user name alone is nothing')
})

test('a disabled device stays outside, by whatever it comes', async (t) => {
  const { make, devices, refused } = open(t, { certificateNaming: 'common-name' })
  const { secret } = await make('pump-7')
  await make('pump-7', { kind: 'password', name: 'pump', password: 'correct horse' })
  devices.set('pump-7', { disabled: true, tags: {} })
  await refused({ token: secret as string }, 'device-disabled')
  await refused({ certificate }, 'device-disabled')
  for (let again = 0; again < 2; again++) await refused({ username: 'pump', password: bytes('correct horse') }, 'device-disabled')
})

describe('a client identifier', () => {
  test('is the device id, or begins with it and a colon', async (t) => {
    const { make, come, refused } = open(t)
    const { secret } = await make('pump-7')
    const token = secret as string
    for (const clientId of ['pump-7', 'pump-7:', 'pump-7:2', 'pump-7:#', '', undefined])
      assert.equal((come({ token, clientId }) as Identity).name, 'pump-7')
    for (const clientId of ['pump-8', 'pump-70', 'pump-7/2', 'Pump-7', ' pump-7', '#', '+', 'pump', 'x:pump-7', '\0'])
      await refused({ token, clientId }, 'client-id-not-yours')
  })

  test('that is another device’s own is not a suffix', async (t) => {
    const { make, come, refused, devices } = open(t)
    const a = (await make('a')).secret as string
    assert.ok(come({ token: a, clientId: 'a:b:c' }))
    const ab = (await make('a:b')).secret as string
    for (const clientId of ['a:b', 'a:b:c', 'a:b:']) {
      await refused({ token: a, clientId }, 'client-id-not-yours')
      assert.equal((come({ token: ab, clientId }) as Identity).name, 'a:b')
    }
    await refused({ token: ab, clientId: 'a' }, 'client-id-not-yours')
    devices.set('a:x', { disabled: false, tags: {} })
    await refused({ token: a, clientId: 'a:x' }, 'client-id-not-yours')
  })

  test('of a device with credentials is for nobody else: not for a program, and not for who presents nothing', async (t) => {
    const { make, come, refused, devices } = open(t)
    await make('pump-7')
    devices.set('pump-8', { disabled: false, tags: {} })
    const key = (await make('', { of: { is: 'key', name: 'mes' } })).secret as string
    for (const clientId of ['pump-7', 'pump-7:2']) {
      await refused({ token: key, clientId }, 'client-id-not-yours')
      await refused({ address: '127.0.0.1', clientId }, 'client-id-not-yours')
    }
    for (const clientId of ['pump-8', 'pump', 'pump-70']) assert.ok(come({ address: '127.0.0.1', clientId }))
  })

  test('whatever it is, it is for no device but its own', async (t) => {
    const { make, come } = open(t)
    const names = ['a', 'a:b', 'a:b:c', 'b', '..a', '@:']
    const tokens = new Map<string, string>()
    for (const name of names) tokens.set(name, (await make(name)).secret as string)
    const part = fc.constantFrom('a', 'b', 'c', ':', '@', '.', '/', '#', '+', '\0', '$')
    const clientIds = fc.array(part, { minLength: 1, maxLength: 7 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(clientIds, (clientId) => {
        const owners = names.filter((name) => clientId === name || clientId.startsWith(`${name}:`)).sort((x, y) => y.length - x.length)
        const entered = names.filter((name) => {
          try {
            return come({ token: tokens.get(name) as string, clientId })
          } catch {
            return false
          }
        })
        assert.deepEqual(entered, owners.slice(0, 1))
      }),
      { numRuns: 1000 },
    )
  })

  test('may be long: no more of it is looked at than a device id has', () => {
    assert.ok([...possibleOwners('a:'.repeat(32_000))].length <= 64)
  })
})

describe('those whom others know', () => {
  const foreign: Proven = {
    of: { is: 'device', name: 'pump-7' },
    role: 'device',
    credential: 'jwt https://issuer.example',
    until: startMs + 5000,
  }

  test('a token of theirs is told by its form, wherever it stands', async (t) => {
    const asked: string[] = []
    const ofToken = {
      isLike: (text: string) => text.startsWith('eyJ'),
      verify: async (text: string) => {
        asked.push(text)
        return text === 'eyJ.good' ? foreign : undefined
      },
    }
    const { come, refused } = open(t, { foreigners: { ofToken } })
    for (const way of [{ token: 'eyJ.good' }, { username: 'x', password: bytes('eyJ.good') }, { username: 'eyJ.good' }])
      assert.equal((await come({ ...way, clientId: 'pump-7' })).until, startMs + 5000)
    await refused({ token: 'eyJ.good', clientId: 'pump-8' }, 'client-id-not-yours')
    await refused({ token: 'eyJ.bad' }, 'bad-credentials')
    assert.equal(asked.length, 5)
  })

  test('a user name that the hub knows is not asked elsewhere', async (t) => {
    const asked: (string | undefined)[] = []
    const ofPassword = async ({ username }: Presented) => {
      asked.push(username)
      return username === 'theirs' ? foreign : undefined
    }
    const { make, come, refused } = open(t, { foreigners: { ofPassword } })
    await make('pump-8', { kind: 'password', name: 'ours', password: 'correct horse' })
    assert.equal((await come({ username: 'theirs', password: bytes('x') })).name, 'pump-7')
    await refused({ username: 'ours', password: bytes('x') }, 'bad-credentials')
    await refused({ username: 'nobody', password: bytes('x') }, 'bad-credentials')
    assert.deepEqual(asked, ['theirs', 'nobody'])
  })
})

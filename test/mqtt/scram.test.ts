// SCRAM-SHA-256 without a wire: RFC 5802, RFC 7677, and the file of users.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../../hub/errors.ts'
import type { AuthenticationExchange } from '../../hub/mqtt/auth.ts'
import { readVerifiers, ScramExchange, ScramSha256, verifierLine } from '../../hub/mqtt/scram.ts'
import { ScramClient, verifierOf } from '../kit/scram.ts'

const anna = `anna:${verifierOf('secret')}`
const method = (...lines: string[]) => new ScramSha256(readVerifiers(lines.join('\n'), 'users.txt'))

function say(exchange: AuthenticationExchange, text: string): string {
  return Buffer.from(exchange.next(Buffer.from(text)).data ?? '').toString()
}

/** The whole exchange; the user name it ends with. */
function login(scram: ScramSha256, client: ScramClient, change?: (unproven: string) => string): string {
  const exchange = scram.begin()
  const step = exchange.next(Buffer.from(client.final(say(exchange, client.first), change)))
  assert.ok(step.is === 'done')
  assert.equal(Buffer.from(step.data ?? '').toString(), client.serverFinal)
  return step.username
}

function fails(run: () => unknown, detail: RegExp): void {
  assert.throws(run, (error) => error instanceof Refusal && error.code === 'authentication-failed' && detail.test(error.message))
}

// RFC 7677 section 3
const vector = {
  nonces: ['rOprNGfwEbeRWgbNEkqO', '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'],
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal: 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
}

test('the exchange of RFC 7677 goes byte for byte as it stands there, on both sides', () => {
  const users = readVerifiers(`user:${verifierOf('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'))}`, 'users.txt')
  const exchange = new ScramExchange((name) => users.get(name) ?? assert.fail(`${name} is nobody`), vector.nonces[1] as string)
  assert.equal(say(exchange, vector.clientFirst), vector.serverFirst)
  const step = exchange.next(Buffer.from(vector.clientFinal))
  assert.deepEqual(step, { is: 'done', username: 'user', data: Buffer.from(vector.serverFinal) })

  const client = new ScramClient('user', 'pencil', { nonce: vector.nonces[0] as string })
  assert.deepEqual(
    [client.first, client.final(vector.serverFirst), client.serverFinal],
    [vector.clientFirst, vector.clientFinal, vector.serverFinal],
  )
})

test('the hub adds at least 18 random bytes to the nonce, other ones in each exchange', () => {
  const scram = method(anna)
  const nonces = Array.from({ length: 100 }, () => /^r=abc([^,]{24,}),/.exec(say(scram.begin(), 'n,,n=anna,r=abc'))?.[1])
  assert.equal(new Set(nonces).size, 100)
  assert.ok(nonces.every((nonce) => nonce !== undefined))
})

test('n, y, the own name as authorization identity, and optional extensions are taken', () => {
  const scram = method(anna)
  for (const gs2 of ['n,,', 'y,,', 'n,a=anna,', 'y,a=anna,']) assert.equal(login(scram, new ScramClient('anna', 'secret', { gs2 })), 'anna')
  assert.equal(login(scram, new ScramClient('anna', 'secret', { extensions: ',x=1,y=a=b' })), 'anna')
  assert.equal(
    login(scram, new ScramClient('anna', 'secret'), (unproven) => `${unproven},x=1`),
    'anna',
  )
})

test('names may hold commas, equals signs, colons and letters of any script; they are compared in normal form', () => {
  for (const name of ['a,b=c', 'pump:7', 'anna:SCRAM-SHA-256$', 'Zürich', 'насос', '泵', 'press room']) {
    assert.equal(login(method(`${name}:${verifierOf('pass, word=1')}`), new ScramClient(name, 'pass, word=1')), name)
  }
  assert.equal(login(method(`Zürich:${verifierOf('secret')}`), new ScramClient('Zu\u0308rich', 'secret')), 'Zürich')
  assert.equal(login(method(`press room:${verifierOf('secret')}`), new ScramClient('press\u3000room', 'secret')), 'press room')
})

const firsts: readonly (readonly [what: string, message: string | Buffer, detail: RegExp])[] = [
  ['channel binding', 'p=tls-server-end-point,,n=anna,r=abc', /channel binding is not offered/],
  ['another flag', 'x,,n=anna,r=abc', /first message cannot be read/],
  ['letters of the other case', 'N,,n=anna,r=abc', /first message cannot be read/],
  ['no header', 'n=anna,r=abc', /first message cannot be read/],
  ['a mandatory extension', 'n,,m=x,n=anna,r=abc', /first message cannot be read/],
  ['no nonce', 'n,,n=anna', /first message cannot be read/],
  ['an empty nonce', 'n,,n=anna,r=', /first message cannot be read/],
  ['a nonce with a space', 'n,,n=anna,r=a b', /first message cannot be read/],
  ['an empty name', 'n,,n=,r=abc', /first message cannot be read/],
  ['an escape that is none', 'n,,n=an=na,r=abc', /user name cannot be read/],
  ['a name with a control character', 'n,,n=an\u0007na,r=abc', /user name cannot be read/],
  ['a name with a zero-width joiner', 'n,,n=an\u200dna,r=abc', /user name cannot be read/],
  ['somebody else to act for', 'n,a=bert,n=anna,r=abc', /acts for another user/],
  ['bytes that are no text', Buffer.from('6e2c2c6e3dc3', 'hex'), /not text/],
]
for (const [what, message, detail] of firsts) {
  test(`a first message with ${what} is refused`, () => {
    fails(() => method(anna).begin().next(Buffer.from(message)), detail)
  })
}

const finals: readonly (readonly [what: string, change: (unproven: string) => string, detail: RegExp])[] = [
  ['a nonce that was changed', (text) => text.replace(/.$/, (last) => (last === 'x' ? 'y' : 'x')), /nonce is not that of this exchange/],
  ['the own nonce alone', (text) => text.replace(/r=abc.*$/, 'r=abc'), /nonce is not that of this exchange/],
  ['the header of another first message', (text) => text.replace('c=biws', 'c=eSws'), /channel binding is not that of the first message/],
  ['the header in other base64', (text) => text.replace('c=biws', 'c=biws===='), /channel binding is not that of the first message/],
  ['its parts in another order', (text) => text.replace(/^(c=\w+),(r=.*)$/, '$2,$1'), /final message cannot be read/],
]
for (const [what, change, detail] of finals) {
  test(`a final message with ${what} is refused`, () => {
    fails(() => login(method(anna), new ScramClient('anna', 'secret', { nonce: 'abc' }), change), detail)
  })
}

test('a proof that is wrong, cut off, too long or missing is refused', () => {
  const spoils = {
    wrong: (text: string) => text.replace(/p=.*$/, `p=${Buffer.alloc(32).toString('base64')}`),
    short: (text: string) => text.replace(/p=.*$/, `p=${Buffer.alloc(31).toString('base64')}`),
    long: (text: string) =>
      text.replace(
        /p=(.*)$/,
        (_, proof: string) => `p=${Buffer.concat([Buffer.from(proof, 'base64'), Buffer.alloc(1)]).toString('base64')}`,
      ),
  }
  const final = (spoil: (text: string) => string) => {
    const client = new ScramClient('anna', 'secret')
    const exchange = method(anna).begin()
    exchange.next(Buffer.from(spoil(client.final(say(exchange, client.first)))))
  }
  for (const spoil of Object.values(spoils)) fails(() => final(spoil), /there is no user "anna", or the password is wrong/)
  fails(() => final((text) => text.replace(/,p=.*$/, '')), /final message cannot be read/)
  final((text) => text)
})

test('the proof of one exchange is worth nothing in another', () => {
  const scram = method(anna)
  const client = new ScramClient('anna', 'secret', { nonce: 'abc' })
  const first = scram.begin()
  const final = client.final(say(first, client.first))
  first.next(Buffer.from(final))
  const second = scram.begin()
  say(second, client.first)
  fails(() => second.next(Buffer.from(final)), /nonce/)
})

test('nobody can tell from the answers whether a user exists', () => {
  const scram = method(anna, `bert:${verifierOf('secret', Buffer.alloc(12, 7), 5000)}`)
  const challenge = (name: string) => /,s=([^,]+),i=(\d+)$/.exec(say(scram.begin(), `n,,n=${name},r=abc`)) ?? assert.fail()
  for (const name of ['anna', 'carl', 'dora']) assert.equal(challenge(name)[0], challenge(name)[0], `${name} has one salt`)
  const nobodies = Array.from({ length: 50 }, (_, at) => challenge(`nobody-${at}`))
  assert.equal(new Set(nobodies.map(([, salt]) => salt)).size, 50)
  const kinds = new Set(nobodies.map(([, salt = '', iterations]) => `${Buffer.from(salt, 'base64').length} ${iterations}`))
  assert.deepEqual([...kinds].sort(), ['12 5000', '16 4096'], 'as those of the users that there are')
  fails(() => login(scram, new ScramClient('carl', 'secret')), /there is no user "carl", or the password is wrong/)
  const elsewhere = /,s=([^,]+),/.exec(say(method(anna).begin(), 'n,,n=carl,r=abc'))?.[1]
  assert.notEqual(elsewhere, challenge('carl')[1], 'no table of salts can be made beforehand')
  fails(() => login(method(''), new ScramClient('anna', 'secret')), /password is wrong/)
})

test('the line made of a password lets in who knows it, and differs each time', () => {
  const line = verifierLine('anna', 'secret')
  assert.match(line, /^anna:SCRAM-SHA-256\$16384:[\w+/]{22}==\$[\w+/]{43}=:[\w+/]{43}=$/)
  assert.notEqual(verifierLine('anna', 'secret'), line)
  assert.equal(login(method(line), new ScramClient('anna', 'secret')), 'anna')
  fails(() => login(method(line), new ScramClient('anna', 'Secret')), /password is wrong/)
  assert.equal(login(method(verifierLine('Zu\u0308rich', 'caf\u0065\u0301')), new ScramClient('Zürich', 'café')), 'Zürich')
})

for (const [what, name, password] of [
  ['an empty name', '', 'secret'],
  ['a name with a line end', 'an\nna', 'secret'],
  ['a name that would be a comment', '#anna', 'secret'],
  ['an empty password', 'anna', ''],
  ['a password with a control character', 'anna', 'se\tcret'],
] as const) {
  test(`${what} gets no line`, () =>
    assert.throws(() => verifierLine(name, password), /^Error: A (user name|password) has at least one character/))
}

test('empty lines, comments and what npm prints before a script are passed over; line ends may be those of Windows', () => {
  const text = `\n> mooring@0.1.0 start\n> node hub/setup.mjs\n\n${anna}\r\n# the press room\r\nbert:${verifierOf('x')}\r\n`
  assert.deepEqual([...readVerifiers(text, 'users.txt').keys()], ['anna', 'bert'])
})

const [key, salt] = [Buffer.alloc(32, 1).toString('base64'), Buffer.alloc(16, 2).toString('base64')]
const lines: readonly (readonly [what: string, line: string, reason: RegExp])[] = [
  ['a password as it is', 'anna:secret', /a user is NAME:SCRAM-SHA-256\$ITERATIONS:SALT\$STOREDKEY:SERVERKEY/],
  ['another method', `anna:SCRAM-SHA-1$4096:${salt}$${key}:${key}`, /a user is NAME:SCRAM-SHA-256/],
  ['a part missing', `anna:SCRAM-SHA-256$4096:${salt}$${key}`, /a user is NAME:SCRAM-SHA-256/],
  ['a part too many', `anna:SCRAM-SHA-256$4096:${salt}$${key}:${key}:${key}`, /a user is NAME:SCRAM-SHA-256/],
  ['too few iterations', `anna:SCRAM-SHA-256$4095:${salt}$${key}:${key}`, /iterations are a number from 4096 to 10000000/],
  ['too many iterations', `anna:SCRAM-SHA-256$10000001:${salt}$${key}:${key}`, /iterations are a number/],
  ['iterations that are no number', `anna:SCRAM-SHA-256$4e3:${salt}$${key}:${key}`, /iterations are a number/],
  ['a salt that is not base64', `anna:SCRAM-SHA-256$4096:!!!!${salt}$${key}:${key}`, /salt is not 8 to 64 bytes in base64/],
  ['a short salt', `anna:SCRAM-SHA-256$4096:AAAA$${key}:${key}`, /salt is not 8 to 64 bytes/],
  ['a stored key cut off', `anna:SCRAM-SHA-256$4096:${salt}$${key.slice(4)}:${key}`, /stored key is not 32 bytes in base64/],
  ['a space at its end', `${anna} `, /server key is not 32 bytes in base64/],
  ['no name', anna.slice(4), /name is empty/],
  ['a byte order mark', `\ufeff${anna}`, /characters that are not printed/],
  ['a name that is not UTF-8', `\ufffd${anna}`, /characters that are not printed/],
  ['a name in another normal form', `Zu\u0308rich:${verifierOf('x')}`, /not in Unicode normal form NFKC/],
  ['a name that was there', `bert:${verifierOf('x')}`, /name stands in an earlier line/],
]
for (const [what, line, reason] of lines) {
  test(`a line with ${what} is told with its number, and without its secrets`, () => {
    const text = `# users\nbert:${verifierOf('secret')}\n${line}\n`
    assert.throws(
      () => readVerifiers(text, 'users.txt'),
      ({ message }: Error) =>
        message.startsWith('users.txt, line 3: ') && reason.test(message) && !message.includes(key.slice(4)) && !message.includes(salt),
    )
  })
}

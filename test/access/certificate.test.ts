// Certificates: names as node:tls has them, from real handshakes and from those who would like to be read wrongly; whom they prove.
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { connect, createServer } from 'node:tls'
import { type CertificateNaming, type PeerCertificate, peerCertificateOf, proofOf } from '../../hub/access/certificate.ts'
import type { Credential } from '../../hub/access/credential.ts'
import { TestAuthority } from '../kit/certificates.ts'

const fingerprint256 = Array(32).fill('AB').join(':')
const valid_to = 'Jan  1 00:00:00 2027 GMT'
const plain: PeerCertificate = {
  fingerprint256,
  commonName: 'pump-7',
  dnsNames: [],
  uris: [],
  issuer: '{}',
  expiresAt: Date.UTC(2027, 0, 1),
}

test('what a handshake brings is read: fingerprint, common name, DNS names, end', async (t) => {
  const authority = await TestAuthority.make('test CA')
  const [hub, pump] = [
    await authority.issue('hub', { names: ['localhost'] }),
    await authority.issue('pump-7', { names: ['pump-7.example', 'b.example'] }),
  ]
  const read = await handshake(t, { ...hub, ca: authority.cert }, pump)
  assert.ok(read)
  assert.match(read.fingerprint256, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
  assert.equal(read.commonName, 'pump-7')
  assert.deepEqual(read.dnsNames, ['pump-7.example', 'b.example'])
  assert.ok(Math.abs(read.expiresAt - Date.now() - 90 * 24 * 3_600_000) < 60_000)
  assert.equal(await handshake(t, { ...hub, ca: authority.cert }, undefined), undefined)
})

function handshake(t: TestContext, hub: { cert: string; key: string; ca: string }, client: { cert: string; key: string } | undefined) {
  return new Promise<PeerCertificate | undefined>((resolve, reject) => {
    const server = createServer({ ...hub, requestCert: true, rejectUnauthorized: false }, (socket) => {
      resolve(peerCertificateOf(socket.getPeerCertificate()))
      socket.destroy()
    })
    t.after(() => server.close())
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      connect({ port, host: '127.0.0.1', servername: 'localhost', ca: hub.ca, ...client })
        .on('error', reject)
        .resume()
    })
  })
}

describe('names', () => {
  const namesOf = (subjectaltname: string) => {
    const { dnsNames, uris } = peerCertificateOf({ fingerprint256, valid_to, subjectaltname }) as PeerCertificate
    return [dnsNames, uris]
  }

  test('are told apart by their type', () => {
    assert.deepEqual(namesOf('DNS:a.example, URI:urn:dev:pump-7, IP Address:10.0.0.1, DNS:b.example, email:a@b.example'), [
      ['a.example', 'b.example'],
      ['urn:dev:pump-7'],
    ])
  })

  test('that hold what looks like another name are one name (CVE-2021-44532)', () => {
    assert.deepEqual(namesOf('DNS:"evil.example, DNS:good.example"'), [['evil.example, DNS:good.example'], []])
    assert.deepEqual(namesOf('URI:"urn:\\"x\\", DNS:good.example", DNS:a.example'), [['a.example'], ['urn:"x", DNS:good.example']])
  })

  test('that cannot be read are none at all', () => {
    const wrong = ['DNS', 'DNS:a,', 'DNS:"a', 'DNS:a,DNS:b', 'DNS:a"b"', 'DNS:"\\q"', ', DNS:a', 'DNS:a, b', 'DNS:a, , DNS:b']
    for (const text of wrong) assert.deepEqual(namesOf(`${text}, DNS:good.example`), [[], []], text)
  })

  test('several common names are none', () => {
    const subject = { CN: ['pump-7', 'pump-8'] } as unknown as { CN: string }
    assert.equal(peerCertificateOf({ fingerprint256, valid_to, subject: subject as never })?.commonName, undefined)
  })

  test('a certificate without an end or a fingerprint is none', () => {
    assert.equal(peerCertificateOf({ fingerprint256, valid_to: 'soon' }), undefined)
    assert.equal(peerCertificateOf({ valid_to }), undefined)
    assert.equal(peerCertificateOf({}), undefined)
  })
})

describe('a certificate proves', () => {
  const credential = (id: string, name: string): Credential => ({
    ...{ id, name, kind: 'certificate', role: 'device', label: '', createdAt: 0, from: 0, until: undefined, disabled: false },
    of: { is: 'device', name: id },
  })
  /** Names, with whose credential they are; undefined for one that is not valid. */
  const book = (entries: Readonly<Record<string, string | undefined>>) => ({
    hasCertificate: (name: string) => name in entries,
    byCertificate: (name: string) => (entries[name] === undefined ? undefined : credential(entries[name], name)),
  })
  const whom = (
    certificate: Partial<PeerCertificate>,
    entries: Readonly<Record<string, string | undefined>>,
    naming: CertificateNaming = 'nobody',
  ) => {
    const proof = proofOf({ ...plain, ...certificate }, book(entries), naming, '{"CN":"Own CA"}')
    return proof.is === 'credential' ? proof.credential.id : proof.is === 'device' ? `device ${proof.device}` : proof.is
  }

  test('whose fingerprint it is, before any name', () => {
    assert.equal(whom({}, { [`fingerprint:${fingerprint256}`]: 'a', 'cn:pump-7': 'b' }, 'common-name'), 'a')
    assert.equal(whom({}, { 'cn:pump-7': 'b' }, 'common-name'), 'b')
  })

  test('nobody when its credential is not valid, whatever its names are', () => {
    assert.equal(whom({}, { [`fingerprint:${fingerprint256}`]: undefined, 'cn:pump-7': 'b' }, 'common-name'), 'nobody')
    assert.equal(whom({}, { 'cn:pump-7': undefined }, 'common-name'), 'nobody')
  })

  test('nobody when its names lead to two', () => {
    const certificate = { dnsNames: ['x.example', 'y.example'] }
    assert.equal(whom(certificate, { 'dns:x.example': 'a', 'dns:y.example': 'b' }), 'nobody')
    assert.equal(whom(certificate, { 'dns:x.example': 'a', 'dns:y.example': 'a' }), 'a')
    assert.equal(whom(certificate, {}, 'dns'), 'nobody')
  })

  test('the device it names, by the setting alone, and only a device id', () => {
    assert.equal(whom({}, {}), 'nobody')
    assert.equal(whom({}, {}, 'common-name'), 'device pump-7')
    assert.equal(whom({ commonName: undefined }, {}, 'common-name'), 'nobody')
    for (const commonName of ['#', '+', 'a/b', 'pump 7', '..', '$SYS', 'a\0'])
      assert.equal(whom({ commonName }, {}, 'common-name'), 'nobody')
    assert.equal(whom({ dnsNames: ['pump-8.example'] }, {}, 'dns'), 'device pump-8.example')
    assert.equal(whom({ uris: ['urn:dev:pump-9', 'https://pump.example/'] }, {}, 'uri'), 'device urn:dev:pump-9')
  })

  test("nothing but by its fingerprint when it is of the hub's own CA", () => {
    const own = { issuer: '{"CN":"Own CA"}', dnsNames: ['pump-7'] }
    const byName = { 'cn:pump-7': 'b', 'dns:pump-7': 'b' }
    assert.equal(whom(own, { ...byName, [`fingerprint:${fingerprint256}`]: 'a' }), 'a')
    assert.equal(whom(own, { ...byName, [`fingerprint:${fingerprint256}`]: undefined }), 'refused')
    assert.equal(whom(own, byName, 'common-name'), 'refused')
    assert.equal(whom({ ...own, issuer: '{"CN":"Another CA"}' }, byName), 'b')
  })

  test('nothing by a name of another kind', () => {
    assert.equal(whom({ commonName: 'x', dnsNames: ['pump-7'] }, { 'cn:pump-7': 'a' }), 'nobody')
  })
})

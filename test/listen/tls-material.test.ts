// What can be wrong with certificate files at the start, each with its sentence: the file, the setting, what is wrong.
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import { limits } from '../../hub/limits.ts'
import { type CertificateOptions, Certificates } from '../../hub/listen/certificates.ts'
import { type CertificateFiles, filesOf, shortRsa, TestAuthority } from '../kit/certificates.ts'
import { LogLines } from '../kit/log.ts'

const root = await TestAuthority.make('test CA')
const names = ['localhost', '127.0.0.1']
const [first, second] = await Promise.all([root.issue('first', { names }), root.issue('second', { names })])

const encrypted = createPrivateKey(first.key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString()
const legacy = '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n'
const publicKey = createPublicKey(first.key).export({ type: 'spki', format: 'pem' }).toString()
const broken = (label: string) => `-----BEGIN ${label}-----\nMIIB\n-----END ${label}-----\n`
const short = await root.issue('short', { names, algorithm: shortRsa })

const wrong: readonly (readonly [
  what: string,
  make: (files: CertificateFiles) => Partial<CertificateOptions> | undefined,
  sentence: RegExp,
])[] = [
  ['a certificate without a key', () => ({ key: '' }), /^--tls-cert needs .*--tls-key\.$/],
  ['a key without a certificate', () => ({ cert: '' }), /^--tls-key needs .*--tls-cert\.$/],
  [
    'a file that is not there',
    () => ({ cert: '/nowhere/x.pem' }),
    /^\/nowhere\/x\.pem \(--tls-cert\) cannot be read: ENOENT: no such file or directory\.$/,
  ],
  ['a folder', (files) => ({ key: files.folder }), /\(--tls-key\) cannot be read: it is no file\.$/],
  ['a device, as a pipe would be', () => ({ key: '/dev/null' }), /^\/dev\/null \(--tls-key\) cannot be read: it is no file\.$/],
  [
    'a file too large',
    (files) => void files.write('cert', '#'.repeat(limits.certificateFileBytes + 1)),
    /\(--tls-cert\) .*the limit is 262144\.$/,
  ],
  ['an empty file', (files) => void files.write('cert', ''), /cert\.pem \(--tls-cert\) holds no certificate in PEM/],
  ['a key where the certificate belongs', (files) => void files.write('cert', first.key), /\(--tls-cert\) holds no certificate in PEM/],
  [
    'a damaged certificate',
    (files) => void files.write('cert', first.cert + broken('CERTIFICATE')),
    /\(--tls-cert\): certificate 2 of 2 cannot be parsed\.$/,
  ],
  [
    'a key that is encrypted',
    (files) => void files.write('key', encrypted),
    /\(--tls-key\) is encrypted, and .*passphrase: store the key decrypted\.$/,
  ],
  ['a key that is encrypted in the old way', (files) => void files.write('key', legacy), /\(--tls-key\) is encrypted/],
  ['a public key', (files) => void files.write('key', publicKey), /\(--tls-key\) holds no private key in PEM/],
  ['a damaged key', (files) => void files.write('key', broken('PRIVATE KEY')), /\(--tls-key\): the private key cannot be parsed\.$/],
  [
    'a key of another',
    (files) => void files.write('key', second.key),
    /\(--tls-key\) does not belong to the certificate in .*\(--tls-cert\)\.$/,
  ],
  [
    'a chain that begins with its CA',
    (files) => void files.write('cert', root.cert + first.cert),
    /\(--tls-cert\): the hub's own certificate is number 2/,
  ],
  ['a key too short for OpenSSL', (files) => files.writePair(short) as undefined, /\(--tls-cert\) is refused by OpenSSL: .*too small\.$/],
  ['a CA that is none', (files) => void files.write('ca', 'x'), /ca\.pem \(--tls-ca\) holds no certificate in PEM/],
  ['a damaged CA', (files) => void files.write('ca', broken('CERTIFICATE')), /\(--tls-ca\): certificate 1 of 1 cannot be parsed\.$/],
  [
    'a CRL that is none',
    (files) => void files.write('crl', root.cert),
    /crl\.pem \(--tls-crl\) holds no certificate revocation list in PEM\.$/,
  ],
  ['a damaged CRL', (files) => void files.write('crl', broken('X509 CRL')), /\(--tls-crl\) is refused by OpenSSL: Failed to parse CRL\.$/],
  ['a CRL without a CA', () => ({ ca: '' }), /\(--tls-crl\) .*without --tls-ca/],
]
for (const [what, make, sentence] of wrong) {
  test(`${what} ends the start with a sentence`, async (t) => {
    const files = filesOf(t, first, { ca: root.cert, crl: await root.revoke([]) })
    const changes = make(files)
    await assert.rejects(Certificates.open({ ...files, ...changes }, new LogLines().log), (error: Error) => {
      assert.match(error.message, sentence)
      assert.doesNotMatch(error.message, /\n/)
      return true
    })
  })
}

// A certificate for 127.0.0.1 that has signed itself, for servers that come without one. Made by OpenSSL, since Node makes none.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

/** The kind of key that most servers have today; a run lasts minutes. */
export function makeCertificate(folder: string): CertificateFiles {
  const files = { cert: join(folder, 'server.crt'), key: join(folder, 'server.key') }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', files.key]
  const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', ...key, ...names, '-days', '2', '-out', files.cert], { stdio: 'ignore' })
  return files
}

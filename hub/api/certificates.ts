// The hub's own CA: what devices trust, and the certificates it gives to them. Each comes with a credential that is pinned to it, so that it
// is listed and revoked as any other.
import type { FastifyInstance } from 'fastify'
import { isDeviceId } from '../../devices/device.ts'
import type { Credential, Owner } from '../access/credential.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { array, integer, number, object, optional, orNull, string } from '../schema.ts'
import { actorOf, assertRole, credentialAnswer, credentialProperties } from './credentials.ts'
import { type ApiParts, objectIn, problemSchema } from './parts.ts'

const dayMs = 24 * 3600 * 1000
/** As long as that of the host, so that both are renewed in one go. */
const standardDays = 397
/** Certificates of any CA that is trusted here, as long as they are credentials by themselves. */
const pinned = 'fingerprint:'

const pem = string({ description: 'PEM' })

interface Wanted {
  readonly owner: Owner
  readonly days: number
  readonly csr: string | undefined
  readonly role: string
  readonly label: string
}

interface Listed {
  readonly device?: string
  readonly fingerprint?: string
  readonly after?: string
  readonly limit: number
}

export function certificateRoutes(app: FastifyInstance, { access, authority, clock }: ApiParts): void {
  const { credentials } = access
  const answerOf = (credential: Credential) => credentialAnswer(credential, credentials)

  app.get(
    '/v1/ca',
    {
      schema: {
        summary: "The hub's own CA",
        description: [
          'The certificate that a device trusts to trust the hub. It is no secret, so everybody may ask; who asks over plain HTTP compares the',
          'fingerprint with that in the log of the hub.',
        ].join(' '),
        response: {
          200: object({
            certificate: pem,
            subject: string(),
            fingerprint: string({ description: 'SHA-256 in capital hex with colons' }),
            from: number({ description: 'Unix ms' }),
            until: number({ description: 'Unix ms' }),
          }),
          404: problemSchema,
        },
      },
    },
    async () => {
      const { certificate } = authority()
      return {
        certificate: certificate.toString(),
        subject: certificate.subject,
        fingerprint: certificate.fingerprint256,
        from: certificate.validFromDate.getTime(),
        until: certificate.validToDate.getTime(),
      }
    },
  )

  app.post(
    '/v1/ca/certificates',
    {
      bodyLimit: limits.certificateRequestBytes,
      schema: {
        summary: 'Give a device a certificate',
        description: [
          'The body is JSON: `device`, and optionally `days` (397), `csr` (PEM), `role` (`device`), `label`. The certificate is signed by the',
          "hub's own CA, names the device and is good for clients alone. With a CSR it is for its key, and its names do not count; without one the",
          'hub makes the key too, and says it this once. The credential that is made with it ends when it does; revoking that shuts it out.',
        ].join(' '),
        response: {
          200: object({
            ...credentialProperties,
            fingerprint: string({ description: 'SHA-256 in capital hex with colons' }),
            certificate: pem,
            key: orNull(pem, { description: 'The private key that the hub made: said this once and never again' }),
          }),
          400: problemSchema,
          404: problemSchema,
          503: problemSchema,
          507: problemSchema,
        },
      },
    },
    async (request) => {
      const { owner, days, csr, role, label } = wantedIn(request.body)
      assertRole(access, role)
      const made = await authority().issue({ device: owner.name, toMs: clock.now() + days * dayMs, csr })
      // Nobody has the certificate before its credential is on disk: what is out there can be revoked.
      const wanted = { of: owner, kind: 'certificate', name: `${pinned}${made.fingerprint}`, role, label, until: made.untilMs } as const
      const { credential } = await credentials.create(wanted, actorOf(request))
      return { ...answerOf(credential), fingerprint: made.fingerprint, certificate: made.cert, key: made.key ?? null }
    },
  )

  app.get(
    '/v1/ca/certificates',
    {
      schema: {
        summary: 'Certificates that let devices and programs in',
        description: 'The credentials that are pinned to one certificate, of this CA or of another, a page at a time.',
        querystring: object({
          device: optional(string()),
          fingerprint: optional(string({ description: 'SHA-256 in capital hex with colons' })),
          after: optional(string({ description: '`next` of the page before' })),
          limit: integer({ minimum: 1, maximum: limits.pageCertificates, default: 100 }),
        }),
        response: {
          200: object({
            certificates: array(object({ ...credentialProperties, fingerprint: string() })),
            next: orNull(string(), { description: 'Null when there are no more' }),
          }),
          400: problemSchema,
          404: problemSchema,
        },
      },
    },
    async (request) => {
      const { limit, ...asked } = request.query as Listed
      const found: Credential[] = []
      for (const one of certificatesOf(asked)) if (found.push(one) > limit) break
      const page = found.slice(0, limit)
      return {
        certificates: page.map((one) => ({ ...answerOf(one), fingerprint: one.name.slice(pinned.length) })),
        next: found.length > limit ? (page.at(-1)?.id ?? null) : null,
      }
    },
  )

  /** Errors: `credential-unknown` when `after` was revoked meanwhile, and nobody knows where it stood. */
  function* certificatesOf({ device, fingerprint, after }: Omit<Listed, 'limit'>): Generator<Credential> {
    if (after !== undefined && credentials.find(after) === undefined)
      throw new Refusal('credential-unknown', { id: JSON.stringify(after.slice(0, 64)) })
    let isPast = after === undefined
    for (const one of candidates(device, fingerprint)) {
      const isAsked = device === undefined || (one.of.is === 'device' && one.of.name === device)
      if (isPast && isAsked && one.name.startsWith(pinned)) yield one
      isPast ||= one.id === after
    }
  }

  function candidates(device: string | undefined, fingerprint: string | undefined): Iterable<Credential> {
    if (fingerprint === undefined) return device === undefined ? credentials.certificates() : credentials.of({ is: 'device', name: device })
    const one = credentials.findCertificate(`${pinned}${fingerprint}`)
    return one === undefined ? [] : [one]
  }
}

/** Errors: `credential-invalid`, `device-id-invalid`. */
function wantedIn(body: unknown): Wanted {
  const { device, days = standardDays, csr, role = 'device', label = '', ...others } = Buffer.isBuffer(body) ? objectIn(body) : {}
  const invalid = (detail: string) => new Refusal('credential-invalid', { detail })
  const [foreign] = Object.keys(others)
  if (foreign !== undefined) throw invalid(`nothing is called ${JSON.stringify(foreign.slice(0, 64))} there`)
  if (typeof device !== 'string' || !isDeviceId(device))
    throw new Refusal('device-id-invalid', { id: JSON.stringify(device)?.slice(0, 64) ?? '""' })
  if (typeof days !== 'number' || !Number.isInteger(days) || days < 1 || days > limits.certificateDays)
    throw invalid(`days is a whole number from 1 to ${limits.certificateDays} (limits.certificateDays)`)
  if (csr !== undefined && csr !== null && typeof csr !== 'string') throw invalid('csr is PEM')
  if (typeof role !== 'string' || typeof label !== 'string') throw invalid('role is the name of a role, and label text')
  return { owner: { is: 'device', name: device }, days, csr: csr ?? undefined, role, label }
}

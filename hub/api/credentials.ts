// Who may come in: credentials of devices, keys of programs, devices that are shut out.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isDeviceId } from '../../devices/device.ts'
import type { Access } from '../access/access.ts'
import type { Credential, Owner, Wanted } from '../access/credential.ts'
import type { Actor, Credentials } from '../access/credentials.ts'
import { Refusal } from '../errors.ts'
import { array, boolean, number, object, orNull, string } from '../schema.ts'
import { type ApiParts, deviceParameters, objectIn, problemSchema } from './parts.ts'

const unixMs = number({ description: 'Unix ms' })

/** Of a credential in an answer. */
export const credentialProperties = {
  id: string(),
  of: object({ is: string({ description: '`device`, or `key` of a program' }), name: string() }),
  kind: string({ description: '`token`, `password` or `certificate`' }),
  name: string({ description: 'User name of a password, name of a certificate; empty for a token' }),
  role: string(),
  label: string(),
  createdAt: unixMs,
  from: unixMs,
  until: orNull(unixMs, { description: 'It ends by itself then' }),
  disabled: boolean(),
  lastUsedAt: orNull(unixMs),
}

const listAnswer = object({ credentials: array(object(credentialProperties)) })
const madeAnswer = object({
  ...credentialProperties,
  secret: orNull(string(), { description: 'The token, or the password that the hub made: said this once and never again' }),
})

const wantedDescription = [
  'The body is JSON, all of it optional: `kind` (`token`, `password`, `certificate`), `name` (user name of a password; `fingerprint:AB:…`, `cn:…`,',
  '`dns:…` or `uri:…` of a certificate), `password` (the hub makes one otherwise), `role`, `label`, `from` and `until` (Unix ms). Several are valid',
  'at a time, so that one is there before the other ends.',
].join(' ')

export function credentialRoutes(app: FastifyInstance, { access, devices }: ApiParts): void {
  const { credentials, disabled } = access

  const deviceIn = (request: FastifyRequest): Owner => {
    const { id } = request.params as { id: string }
    if (!isDeviceId(id)) throw new Refusal('device-id-invalid', { id })
    return { is: 'device', name: id }
  }
  const answerOf = (credential: Credential) => credentialAnswer(credential, credentials)
  const make = async (request: FastifyRequest, of: Owner, role: string) => {
    const wanted = wantedIn(request.body, of, role)
    // Who administers some devices may let them in, but not with rights that he has not got himself.
    if (wanted.role !== role && !request.principal.permissions.may('admin', 'hub'))
      throw new Refusal('not-allowed', { action: 'give the role', topic: JSON.stringify(wanted.role.slice(0, 64)) })
    assertRole(access, wanted.role)
    const { credential, secret } = await credentials.create(wanted, actorOf(request))
    return { ...answerOf(credential), secret: secret ?? null }
  }

  app.get(
    '/v1/devices/:id/credentials',
    { schema: { summary: 'Credentials of a device', params: deviceParameters, response: { 200: listAnswer } } },
    async (request) => ({ credentials: credentials.of(deviceIn(request)).map(answerOf) }),
  )

  app.post(
    '/v1/devices/:id/credentials',
    {
      schema: {
        summary: 'Give a device a credential',
        description: `${wantedDescription} Without a body it is a token with the role \`device\`. The device need not be on record yet.`,
        params: deviceParameters,
        response: { 200: madeAnswer, 400: problemSchema, 507: problemSchema },
      },
    },
    (request) => make(request, deviceIn(request), 'device'),
  )

  app.get('/v1/keys', { schema: { summary: 'Keys of programs', response: { 200: listAnswer } } }, async () => ({
    credentials: [...credentials.all()].filter(({ of }) => of.is === 'key').map(answerOf),
  }))

  app.post(
    '/v1/keys/:name',
    {
      schema: {
        summary: 'Give a program a key',
        description: `${wantedDescription} Without a role it is a \`viewer\`.`,
        params: object({ name: string({ description: 'Name of the program or person' }) }),
        response: { 200: madeAnswer, 400: problemSchema, 507: problemSchema },
      },
    },
    (request) => {
      const { name } = request.params as { name: string }
      return make(request, { is: 'key', name }, 'viewer')
    },
  )

  app.delete(
    '/v1/credentials/:credential',
    {
      schema: {
        summary: 'Revoke a credential',
        description: 'Nobody comes in by it from now on, and who did is closed at once.',
        params: object({ credential: string() }),
        response: { 200: object({ revoked: string() }), 404: problemSchema },
      },
    },
    async (request) => {
      const { credential: id } = request.params as { credential: string }
      await credentials.revoke(id, actorOf(request))
      return { revoked: id }
    },
  )

  app.put(
    '/v1/devices/:id/disabled',
    {
      schema: {
        summary: 'Shut a device out, or let it in again',
        description: 'The body is `true` or `false`. A device that is disabled is closed at once, and refused whatever it presents.',
        params: deviceParameters,
        response: { 200: object({ disabled: boolean() }), 400: problemSchema, 404: problemSchema },
      },
    },
    async (request) => {
      const { name } = deviceIn(request)
      const text = Buffer.isBuffer(request.body) ? request.body.toString().trim() : ''
      if (text !== 'true' && text !== 'false') throw new Refusal('request-invalid', { detail: 'the body is true or false' })
      if (!devices.has(name) && !credentials.isOwner({ is: 'device', name })) throw new Refusal('device-unknown', { id: name })
      if (text === 'true') await disabled.disable(name, actorOf(request))
      else await disabled.enable(name, actorOf(request))
      return { disabled: text === 'true' }
    },
  )
}

export function credentialAnswer(credential: Credential, credentials: Credentials) {
  return { ...credential, until: credential.until ?? null, lastUsedAt: credentials.lastUsedAt(credential) ?? null }
}

/** Errors: `role-unknown`. */
export function assertRole({ roles }: Access, name: string): void {
  if (roles.find(name) === undefined) throw new Refusal('role-unknown', { name: JSON.stringify(name.slice(0, 64)) })
}

/** Who asks, for the audit log. */
export function actorOf({ principal, peerAddress }: FastifyRequest): Actor {
  return { who: principal.owner === '' ? 'anonymous' : principal.owner, from: peerAddress }
}

function wantedIn(body: unknown, of: Owner, standardRole: string): Wanted {
  const empty = !Buffer.isBuffer(body) || body.length === 0
  const { kind = 'token', name, password, role = standardRole, label, from, until, ...others } = empty ? {} : objectIn(body)
  const [foreign] = Object.keys(others)
  if (foreign !== undefined) throw invalid(`nothing is called ${JSON.stringify(foreign.slice(0, 64))} there`)
  if (kind !== 'token' && kind !== 'password' && kind !== 'certificate') throw invalid('kind is token, password or certificate')
  if (typeof role !== 'string') throw invalid('role is the name of a role')
  return { of, kind, role, ...texts({ name, password, label }), ...times({ from, until }) }
}

function texts(members: Readonly<Record<'name' | 'password' | 'label', unknown>>): Partial<Record<'name' | 'password' | 'label', string>> {
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, value]) => {
      if (value === undefined) return []
      if (typeof value !== 'string') throw invalid(`${name} is text`)
      return [[name, value]]
    }),
  )
}

function times(members: Readonly<Record<'from' | 'until', unknown>>): Partial<Record<'from' | 'until', number>> {
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, value]) => {
      if (value === undefined || value === null) return []
      if (typeof value !== 'number') throw invalid(`${name} is Unix ms`)
      return [[name, value]]
    }),
  )
}

function invalid(detail: string): Refusal {
  return new Refusal('credential-invalid', { detail })
}

// Logging in and out, who one is, one's own password, and the set-up of the first admin.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { cookieFor, noCookie } from '../access/operators/cookie.ts'
import type { Login } from '../access/operators/logins.ts'
import type { LoggedIn } from '../access/operators/operators.ts'
import { isLoopback } from '../access/peer.ts'
import type { Principal } from '../access/principal.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { boolean, number, object, orNull, string } from '../schema.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, objectIn, problemSchema } from './parts.ts'

const meProperties = {
  is: string({ description: '`user`, `key`, `device`, or `anonymous` for who is let in by its address alone' }),
  name: string(),
  role: string(),
  until: orNull(number(), { description: 'Unix ms when the login ends by itself' }),
  secondFactor: boolean({ description: 'He logs in with a code, too' }),
  recoveryCodes: orNull(number(), { description: 'How many are left to him; null without a second factor' }),
  may: object(
    {
      devices: boolean({ description: 'Read what all devices say' }),
      hub: boolean({ description: 'Read what the hub says of itself' }),
      publish: boolean({ description: 'Publish to all devices' }),
      command: boolean({ description: 'Say what all devices are to do and to be' }),
      admin: boolean({ description: 'Administer the hub' }),
    },
    { description: 'What a page may offer; the hub asks again when something is done' },
  ),
}
const meAnswer = object(meProperties)

export function loginRoutes(app: FastifyInstance, { access, clock }: ApiParts): void {
  const { operators } = access

  const welcome = (reply: FastifyReply, { user, cookie }: LoggedIn) => {
    reply.header('set-cookie', cookieFor(cookie, reply.request.isOverTls))
    reply.header('cache-control', 'no-store')
    return { name: user.name, role: user.role }
  }
  const loggedInAnswer = object({ name: string(), role: string() })

  app.post(
    '/v1/login',
    {
      bodyLimit: limits.loginBytes,
      schema: {
        summary: 'Log in',
        description:
          'The body is `{"name":…,"password":…}`, and with a second factor `code` besides: six digits, or a recovery code. Where it is missing the ' +
          'answer is `second-factor-needed`. The answer sets a cookie, which browsers send from then on; programs use tokens.',
        response: { 200: loggedInAnswer, 400: problemSchema, 401: problemSchema, 429: problemSchema, 503: problemSchema },
      },
    },
    async (request, reply) => {
      const { name, password, code } = textsIn(request, ['name', 'password'], ['code'])
      const before = request.principal.identity.credential
      return welcome(reply, await operators.logIn(name, password, request.peerAddress, { code, before }))
    },
  )

  app.post(
    '/v1/logout',
    {
      bodyLimit: limits.loginBytes,
      schema: {
        summary: 'Log out',
        description: 'Connections that were opened by the login are closed. `{"everywhere":true}` ends all logins of the user.',
        response: { 200: object({ ended: number() }), 403: problemSchema },
      },
    },
    async (request, reply) => {
      const everywhere = request.body instanceof Buffer && request.body.length > 0 && objectIn(request.body)['everywhere'] === true
      const mine = loginsOf(request.principal)
      const ended = everywhere ? mine : mine.filter(({ credential }) => credential === request.principal.identity.credential)
      for (const login of ended) {
        const { who, from } = actorOf(request)
        await operators.logins.logOut(login, { at: clock.now(), who, from, action: 'logout', target: 'hub', outcome: 'done', detail: '' })
      }
      reply.header('set-cookie', noCookie(request.isOverTls))
      return { ended: ended.length }
    },
  )

  const loginsOf = ({ identity: { is, name } }: Principal): readonly Login[] => (is === 'user' ? operators.logins.of(name) : [])

  app.get(
    '/v1/me',
    {
      schema: {
        summary: 'Who asks, and what he may do',
        response: { 200: meAnswer, 401: problemSchema },
      },
    },
    async ({ principal }, reply) => {
      reply.header('cache-control', 'no-store')
      const { identity, permissions } = principal
      const isNobody = identity.is === 'anonymous' && identity.role === ''
      if (isNobody) throw new Refusal(operators.needsAdmin && !operators.users.hasAdmin ? 'set-up-needed' : 'login-needed')
      const may = {
        devices: permissions.maySubscribe('devices/+/#'),
        hub: permissions.maySubscribe('$SYS/#'),
        publish: permissions.may('publish', 'devices/x/telemetry'),
        command: permissions.may('command', 'devices/x'),
        admin: permissions.may('admin', 'hub'),
      }
      const { is, name, role, until = null } = identity
      const left = is === 'user' ? operators.users.secondFactorOf(name)?.recovery.length : undefined
      return { is, name, role, until, secondFactor: left !== undefined, recoveryCodes: left ?? null, may }
    },
  )

  app.post(
    '/v1/me/password',
    {
      bodyLimit: limits.loginBytes,
      schema: {
        summary: "Change one's password",
        description: 'The body is `{"password":…,"newPassword":…}`. All other logins of the user end.',
        response: { 200: object({ changed: boolean() }), 400: problemSchema, 401: problemSchema },
      },
    },
    async (request) => {
      const { name, login } = whoLoggedIn(request)
      const { password, newPassword } = textsIn(request, ['password', 'newPassword'])
      await operators.changePassword(name, password, newPassword, request.peerAddress, login)
      return { changed: true }
    },
  )

  app.post(
    '/v1/setup',
    {
      bodyLimit: limits.loginBytes,
      schema: {
        summary: 'Make an admin by a set-up link',
        description: [
          'The body is `{"token":…,"name":…,"password":…}`; the token is what stands behind `#` in the link that the hub printed. Of a user',
          'who is there already it changes the password and the role, and a second factor is off. The answer logs in.',
        ].join(' '),
        response: { 200: loggedInAnswer, 400: problemSchema, 403: problemSchema },
      },
    },
    async (request, reply) => {
      const { token, name, password } = textsIn(request, ['token', 'name', 'password'])
      return welcome(reply, await operators.setUpAdmin(token, name, password, request.peerAddress))
    },
  )

  app.post(
    '/v1/setup-link',
    {
      schema: {
        summary: 'Make a set-up link',
        description: 'For who is on the machine of the hub and comes without credentials. It takes the place of the one before.',
        response: { 200: object({ token: string(), path: string(), until: number() }), 403: problemSchema },
      },
    },
    async (request, reply) => {
      const { identity } = request.principal
      if (identity.is !== 'anonymous' || !isLoopback(request.peerAddress)) throw new Refusal('only-from-here')
      const { token, until } = await operators.setUp.make(false, actorOf(request))
      reply.header('cache-control', 'no-store')
      return { token, path: `/setup#${token}`, until }
    },
  )
}

/** Errors: `login-needed`. */
export function whoLoggedIn({ principal: { identity } }: FastifyRequest): { readonly name: string; readonly login: string } {
  if (identity.is !== 'user' || identity.credential === undefined) throw new Refusal('login-needed')
  return { name: identity.name, login: identity.credential }
}

/** Members of the body, of which `optional` may be missing. Errors: `request-invalid`. */
export function textsIn<Name extends string, Optional extends string = never>(
  { body }: FastifyRequest,
  names: readonly Name[],
  optional: readonly Optional[] = [],
): Record<Name, string> & Partial<Record<Optional, string>> {
  const members = objectIn(Buffer.isBuffer(body) ? body : Buffer.alloc(0))
  const known: readonly string[] = [...names, ...optional]
  const foreign = Object.keys(members).find((name) => !known.includes(name))
  if (foreign !== undefined)
    throw new Refusal('request-invalid', { detail: `nothing is called ${JSON.stringify(foreign.slice(0, 64))} there` })
  const wanted = [...names, ...optional.filter((name) => members[name] !== undefined)]
  return Object.fromEntries(
    wanted.map((name) => {
      const text = members[name]
      if (typeof text !== 'string') throw new Refusal('request-invalid', { detail: `${name} is text` })
      return [name, text]
    }),
  ) as Record<Name, string> & Partial<Record<Optional, string>>
}

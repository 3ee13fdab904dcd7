// Users: the people who may log in.
import type { FastifyInstance } from 'fastify'
import type { User } from '../access/operators/user.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { array, boolean, number, object, orNull, string } from '../schema.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, objectIn, problemSchema } from './parts.ts'

const userSchema = object({
  name: string(),
  role: string(),
  disabled: boolean(),
  createdAt: number({ description: 'Unix ms' }),
  lastLoginAt: orNull(number()),
  logins: number({ description: 'How many are open' }),
  secondFactor: boolean({ description: 'He logs in with a code, too' }),
})
const named = object({ name: string() })

export function userRoutes(app: FastifyInstance, { access }: ApiParts): void {
  const { users, logins } = access.operators
  const answerOf = (user: User) => ({
    ...user,
    lastLoginAt: users.lastLoginAt(user.name) ?? null,
    logins: logins.of(user.name).length,
    secondFactor: users.secondFactorOf(user.name) !== undefined,
  })

  app.get('/v1/users', { schema: { summary: 'Users', response: { 200: object({ users: array(userSchema) }) } } }, async () => ({
    users: users.all().map(answerOf),
  }))

  app.post(
    '/v1/users',
    {
      bodyLimit: limits.loginBytes,
      schema: {
        summary: 'Make a user',
        description: 'The body is `{"name":…,"password":…,"role":…}`; the role is `viewer`, `operator`, `admin` or one that was made.',
        response: { 200: userSchema, 400: problemSchema, 404: problemSchema, 409: problemSchema, 507: problemSchema },
      },
    },
    async (request) => {
      const { name, password, role } = membersIn(request.body, { name: 'string', password: 'string', role: 'string' })
      if (name === undefined || password === undefined || role === undefined) throw invalid('it has a name, a password and a role')
      return answerOf(await users.create({ name, password, role }, actorOf(request)))
    },
  )

  app.patch(
    '/v1/users/:name',
    {
      bodyLimit: limits.loginBytes,
      schema: {
        summary: 'Change a user',
        description: [
          'The body has any of `role`, `disabled`, `password` and `secondFactor`, which may be `false` alone: the user turns his on himself. It takes',
          'effect at once: a user who is disabled is closed on every wire, and a new password ends his logins.',
        ].join(' '),
        params: named,
        response: { 200: userSchema, 400: problemSchema, 404: problemSchema, 409: problemSchema },
      },
    },
    async (request) => {
      const { name } = request.params as { name: string }
      const wanted = { role: 'string', disabled: 'boolean', password: 'string', secondFactor: 'boolean' } as const
      const { secondFactor, ...change } = membersIn(request.body, wanted)
      if (secondFactor === true) throw invalid('a second factor is turned on by its user')
      const taken = secondFactor === false ? { secondFactor: null } : {}
      return answerOf(await users.change(name, { ...change, ...taken }, actorOf(request), request.principal.identity.credential))
    },
  )

  app.delete(
    '/v1/users/:name',
    {
      schema: {
        summary: 'Remove a user',
        description: 'He is closed on every wire at once.',
        params: named,
        response: { 200: object({ removed: string() }), 404: problemSchema, 409: problemSchema },
      },
    },
    async (request) => {
      const { name } = request.params as { name: string }
      await users.remove(name, actorOf(request))
      return { removed: name }
    },
  )
}

interface Kinds {
  readonly string: string
  readonly boolean: boolean
}

/** Errors: `request-invalid` of what is no object, `user-invalid`. */
function membersIn<Wanted extends { readonly [name: string]: keyof Kinds }>(
  body: unknown,
  wanted: Wanted,
): { readonly [Name in keyof Wanted]?: Kinds[Wanted[Name]] } {
  const members = objectIn(Buffer.isBuffer(body) ? body : Buffer.alloc(0))
  for (const [name, value] of Object.entries(members)) {
    const kind = Object.hasOwn(wanted, name) ? wanted[name] : undefined
    if (kind === undefined) throw invalid(`nothing is called ${JSON.stringify(name.slice(0, 64))} there`)
    if (typeof value !== kind) throw invalid(`${name} is ${kind === 'string' ? 'text' : 'true or false'}`)
  }
  return members as { readonly [Name in keyof Wanted]?: Kinds[Wanted[Name]] }
}

function invalid(detail: string): Refusal {
  return new Refusal('user-invalid', { detail })
}

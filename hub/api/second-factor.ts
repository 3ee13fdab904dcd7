// The second factor of who is logged in: its secret as text and as a QR code, on with the first code, off with password and code.
import type { FastifyInstance } from 'fastify'
import { renderSVG } from 'uqr'
import { limits } from '../limits.ts'
import { array, boolean, object, string } from '../schema.ts'
import { textsIn, whoLoggedIn } from './login.ts'
import { type ApiParts, problemSchema } from './parts.ts'

/** Modules of white around it, which readers of QR codes ask for.  ISO/IEC 18004 */
const quietModules = 4
const refused = { 400: problemSchema, 401: problemSchema, 409: problemSchema, 429: problemSchema, 503: problemSchema }

export function secondFactorRoutes(app: FastifyInstance, { access }: ApiParts): void {
  const { operators } = access

  app.post(
    '/v1/me/second-factor',
    {
      bodyLimit: limits.loginBytes,
      schema: {
        summary: 'Begin a second factor',
        description: [
          'The body is `{"password":…}`. The answer has a secret for an authenticator app (TOTP: SHA-1, 6 digits, 30 s), told this once; `svg` is a QR',
          'code of `uri`. It is on when a first code has confirmed it.',
        ].join(' '),
        response: { 200: object({ secret: string({ description: 'Base32' }), uri: string(), svg: string() }), ...refused },
      },
    },
    async (request, reply) => {
      const { name, login } = whoLoggedIn(request)
      const { password } = textsIn(request, ['password'])
      const { secret, uri } = await operators.beginSecondFactor(
        name,
        password,
        request.peerAddress,
        login,
        accountOf(name, request.hostname),
      )
      reply.header('cache-control', 'no-store')
      return { secret, uri, svg: renderSVG(uri, { border: quietModules, pixelSize: 1 }) }
    },
  )

  app.post(
    '/v1/me/second-factor/confirm',
    {
      bodyLimit: limits.loginBytes,
      schema: {
        summary: 'Turn the second factor on',
        description:
          'The body is `{"code":…}`. The answer has recovery codes, each good once and told this once. All other logins of the user end.',
        response: { 200: object({ recoveryCodes: array(string()) }), ...refused },
      },
    },
    async (request, reply) => {
      const { name, login } = whoLoggedIn(request)
      const { code } = textsIn(request, ['code'])
      const recoveryCodes = await operators.secondFactors.confirm(name, code, request.peerAddress, login)
      reply.header('cache-control', 'no-store')
      return { recoveryCodes }
    },
  )

  app.delete(
    '/v1/me/second-factor',
    {
      bodyLimit: limits.loginBytes,
      schema: {
        summary: 'Turn the second factor off',
        description: 'The body is `{"password":…,"code":…}`; the code may be a recovery code.',
        response: { 200: object({ secondFactor: boolean() }), ...refused },
      },
    },
    async (request) => {
      const { name } = whoLoggedIn(request)
      const { password, code } = textsIn(request, ['password', 'code'])
      await operators.endSecondFactor(name, password, request.peerAddress, code)
      return { secondFactor: false }
    },
  )
}

/** What the app shows, so that two hubs are told apart. A colon parts its issuer from it, so it has none itself. */
function accountOf(name: string, hostname: string): string {
  return `${name}@${hostname.replaceAll(/[[\]]/g, '').replaceAll(':', '-')}`
}

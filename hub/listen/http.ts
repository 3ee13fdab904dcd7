// The HTTP server: the operators' API, readings from devices, events, documentation, the dashboard's files.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import swagger from '@fastify/swagger'
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify'
import type { Logger } from 'pino'
import { deviceRoutes } from '../api/devices.ts'
import { docsRoutes } from '../api/docs.ts'
import { hubRoutes } from '../api/hub.ts'
import type { ApiParts } from '../api/parts.ts'
import { publishRoutes } from '../api/publish.ts'
import { retainedRoutes } from '../api/retained.ts'
import { telemetryRoutes } from '../api/telemetry.ts'
import { problemOf, Refusal } from '../errors.ts'
import { streamRoutes } from '../json/stream.ts'
import type { Uplinks } from '../json/uplinks.ts'
import { limits } from '../limits.ts'
import { eventRoutes } from '../live/events.ts'
import type { Feed } from '../live/feed.ts'
import type { Wheel } from '../wheel.ts'
import type { Admission } from './admission.ts'
import { bodyParser } from './body.ts'

export interface HttpParts {
  readonly api: ApiParts
  readonly feed: Feed
  readonly uplinks: Uplinks
  readonly wheel: Wheel
  readonly admission: Admission
  readonly log: Logger
  /** The built dashboard. */
  readonly dashboardFolder: string
}

const securityHeaders = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const

/** Asked by supervisors from other machines, and by their address: they say nothing but yes or no. */
const probes: ReadonlySet<string> = new Set(['/healthz', '/readyz'])

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

export async function createHttpServer(parts: HttpParts): Promise<FastifyInstance> {
  const { api, feed, uplinks, wheel, admission, log, dashboardFolder } = parts
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: 0, // it would end the streams that go up; bodies of other routes have their own deadline (body.ts)
    http: { headersTimeout: 30_000 },
    keepAliveTimeout: 75_000, // longer than the 60 s of common proxies and clients
    forceCloseConnections: true,
    routerOptions: { maxParamLength: limits.topicBytes },
    // What the router refuses before it finds a route: a path that is not UTF-8, a parameter that is too long.
    frameworkErrors: (error, request, reply) =>
      sendProblem(reply as FastifyReply, new Refusal('request-invalid', { detail: `${error.code}: ${request.url.slice(0, 80)}` })),
    ajv: { customOptions: { coerceTypes: 'array', removeAdditional: false } },
  })

  // Devices send what their library sends: the body is bytes, whatever its content type says (curl -d says it is a form).
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', bodyParser(wheel))

  app.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders)
    if (probes.has(request.url)) return
    admission.assertOrigin(request.headers.origin, request.headers.host)
    admission.assertAnonymous(request.socket.remoteAddress ?? '')
    const { origin } = request.headers
    if (origin !== undefined) reply.headers({ 'access-control-allow-origin': origin, vary: 'Origin' })
  })

  app.setErrorHandler((error: FastifyError | Refusal, request, reply) => {
    const refusal = refusalOf(error, request.url)
    if (refusal === undefined) {
      log.error({ err: error, url: request.url, request: request.id }, 'a bug ended a request')
      sendProblem(reply, new Refusal('internal-error', { detail: request.id }))
      return
    }
    api.metrics.refused(refusal.code)
    sendProblem(reply, refusal)
  })

  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'Mooring', version: api.version, description: 'The HTTP API of an IoT connection hub.' } },
  })
  deviceRoutes(app, api)
  telemetryRoutes(app, api)
  publishRoutes(app, api)
  retainedRoutes(app, api)
  streamRoutes(app, uplinks)
  eventRoutes(app, feed)
  hubRoutes(app, api)
  docsRoutes(app)
  dashboardFiles(app, dashboardFolder, api)
  await app.ready()
  return app
}

/** The page's files, and the page itself for every path that a browser asks for: its routes are made by the page. */
function dashboardFiles(app: FastifyInstance, folder: string, { metrics }: ApiParts): void {
  const index = existsSync(join(folder, 'index.html')) ? readFileSync(join(folder, 'index.html')) : undefined
  if (index !== undefined) {
    // Names carry a hash of the content, so a browser may keep them for ever.
    app.register(fastifyStatic, {
      root: folder,
      prefix: '/',
      wildcard: false,
      index: false,
      maxAge: '365d',
      immutable: true,
      schemaHide: true,
    })
  }
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] as string
    const wantsPage = request.method === 'GET' && (request.headers.accept ?? '').includes('text/html') && !path.startsWith('/v1/')
    if (wantsPage && index !== undefined) {
      reply.headers({ 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' })
      reply.send(index)
      return
    }
    const allowed = methods.filter((method) => app.findRoute({ url: path, method }) !== null || app.hasRoute({ url: path, method }))
    const refusal =
      allowed.length > 0 ? new Refusal('method-not-allowed', { path, method: request.method }) : new Refusal('not-found', { path })
    metrics.refused(refusal.code)
    if (allowed.length > 0) reply.header('allow', allowed.join(', '))
    sendProblem(reply, refusal)
  })
}

function sendProblem(reply: FastifyReply, refusal: Refusal): void {
  const problem = problemOf(refusal)
  if (refusal.row.retry) reply.header('retry-after', '1')
  // Nobody reads the rest of this body, and nothing else bounds the time it may take.
  const { raw } = reply.request
  const hasBody = raw.headers['transfer-encoding'] !== undefined || Number(raw.headers['content-length'] ?? 0) > 0
  if (raw.httpVersionMajor === 1 && hasBody && !raw.complete) reply.header('connection', 'close')
  reply.code(problem.status)
  reply.header('content-type', 'application/problem+json')
  reply.send(Buffer.from(JSON.stringify(problem))) // as bytes, or fastify adds a charset, which the type does not have
}

/** The refusal an error stands for; undefined for a bug. */
function refusalOf(error: FastifyError | Refusal, url: string): Refusal | undefined {
  if (error instanceof Refusal) return error
  if (error.validation !== undefined || (error.statusCode !== undefined && error.statusCode < 500)) {
    return new Refusal('request-invalid', { detail: `${error.message} (${url.split('?', 1)[0]})` })
  }
  return undefined
}

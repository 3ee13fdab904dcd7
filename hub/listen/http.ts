// The HTTP server: the operators' API, readings from devices, events, documentation, the dashboard's files. One app, one set of routes, for
// HTTP/1.1 and HTTP/2, in the clear and over TLS.
//
// A body is read whole before its route is asked, at most `bodyLimit` bytes within `limits.bodySeconds`. A route that says
// `config: { bodyStream: true }` gets it unread: `request.body` is then the stream of bytes (of HTTP/1.1 or HTTP/2), without a limit of
// size or time, and it is undefined when there is none.
import { existsSync, readFileSync } from 'node:fs'
import type { IncomingMessage, Server } from 'node:http'
import type { Http2Server, ServerHttp2Session } from 'node:http2'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import swagger from '@fastify/swagger'
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { Presented } from '../access/authenticator.ts'
import { cookieIn } from '../access/operators/cookie.ts'
import { authorizationOf, certificateOf, isTls } from '../access/peer.ts'
import type { Principal } from '../access/principal.ts'
import { auditRoutes } from '../api/audit.ts'
import { banRoutes } from '../api/bans.ts'
import { bucketRoutes } from '../api/buckets.ts'
import { bulkRoutes } from '../api/bulks.ts'
import { certificateRoutes } from '../api/certificates.ts'
import { chartRoutes } from '../api/chart.ts'
import { claimRoutes } from '../api/claims.ts'
import { commandRoutes } from '../api/commands.ts'
import { credentialRoutes } from '../api/credentials.ts'
import { typeRoutes } from '../api/device-types.ts'
import { deviceRoutes } from '../api/devices.ts'
import { docsRoutes } from '../api/docs.ts'
import { exportRoutes } from '../api/export.ts'
import { extensionRoutes } from '../api/extensions.ts'
import { groupRoutes } from '../api/groups.ts'
import { hubRoutes } from '../api/hub.ts'
import { importRoutes } from '../api/import.ts'
import { influxRoutes } from '../api/influx.ts'
import { latestRoutes } from '../api/latest.ts'
import { loginRoutes } from '../api/login.ts'
import type { ApiParts } from '../api/parts.ts'
import { pointRoutes } from '../api/points.ts'
import { provisioningRoutes } from '../api/provisioning.ts'
import { publishRoutes } from '../api/publish.ts'
import { retainedRoutes } from '../api/retained.ts'
import { roleRoutes } from '../api/roles.ts'
import { secondFactorRoutes } from '../api/second-factor.ts'
import { sessionRoutes } from '../api/sessions.ts'
import { sqlRoutes } from '../api/sql.ts'
import { storeRoutes } from '../api/store.ts'
import { telemetryRoutes } from '../api/telemetry.ts'
import { timelineRoutes } from '../api/timeline.ts'
import { twinTargetRoutes } from '../api/twin-targets.ts'
import { twinVersionRoutes } from '../api/twin-versions.ts'
import { twinRoutes } from '../api/twins.ts'
import { userRoutes } from '../api/users.ts'
import { Refusal } from '../errors.ts'
import type { RunRoute } from '../extend/extensions.ts'
import { type DownParts, downRoutes } from '../json/routes.ts'
import { streamRoutes } from '../json/stream.ts'
import type { Uplinks } from '../json/uplinks.ts'
import { limits } from '../limits.ts'
import { type EventStreams, eventRoutes } from '../live/events.ts'
import type { Feed } from '../live/feed.ts'
import type { Wheel } from '../wheel.ts'
import type { Admission } from './admission.ts'
import { readBody } from './body.ts'
import type { ExtensionRoutes } from './extension-routes.ts'
import { createHttp1Server } from './http1.ts'
import { createHttp2Server } from './http2.ts'
import { refusalOf, sendProblem } from './problems.ts'
import type { Requests } from './requests.ts'
import { assertReadsDevice, assertRight, isOpen, needOf } from './rights.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. */
    principal: Principal
    /** How that was proven. */
    presented: Presented
    /** From where, without a port: a trusted proxy is believed. */
    peerAddress: string
    /** The browser came over TLS; where a proxy has ended it, its page says so. */
    isOverTls: boolean
  }
  interface FastifyContextConfig {
    /** The route reads the body itself, as a stream. */
    readonly bodyStream?: boolean
    /** Its body or its answer may take hours. */
    readonly isTransfer?: boolean
    /** Its answer is held by a session. */
    readonly isHeld?: boolean
    /** The route belongs to another API, in whose words it refuses. */
    readonly errorBody?: (refusal: Refusal) => object
    /** A file of the dashboard. */
    readonly isPage?: boolean
    /** It is one of an extension. */
    readonly ofExtension?: RunRoute
  }
}

export interface HttpParts {
  readonly api: ApiParts
  readonly feed: Feed
  readonly eventStreams: EventStreams
  readonly requests: Requests
  readonly uplinks: Uplinks
  readonly down: DownParts
  readonly extensionRoutes: ExtensionRoutes
  readonly admission: Admission
  /** Errors: the `Refusal` for who may not come in. */
  authenticate(presented: Presented, orNobody: boolean): Principal | Promise<Principal>
  readonly wheel: Wheel
  readonly log: Logger
  /** The built dashboard. */
  readonly dashboardFolder: string
}

/** Neither listens: sockets are given to them by `emit('connection', socket)`, once it is known what they speak. */
export interface HttpServers {
  readonly http1: Server
  readonly http2: Http2Server
  /** Tells no new requests from now on; resolves when the routes have been told to end. */
  close(): Promise<void>
  destroyAll(): void
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

export async function createHttpServers(parts: HttpParts): Promise<HttpServers> {
  const { api, feed, eventStreams, requests, uplinks, down, admission, authenticate, wheel, log, dashboardFolder } = parts
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    forceCloseConnections: true,
    serverFactory: (answer) => createHttp1Server(answer, (code) => api.metrics.refused(code)),
    routerOptions: { maxParamLength: limits.topicBytes },
    // What the router refuses before it finds a route: a path that is not UTF-8, a parameter that is too long.
    frameworkErrors: (error, request, reply) =>
      sendProblem(reply as FastifyReply, new Refusal('request-invalid', { detail: `${error.code}: ${request.url.slice(0, 80)}` })),
    ajv: { customOptions: { coerceTypes: 'array', removeAdditional: false } },
  })

  parseBodies(app, wheel)
  app.decorateRequest('principal')
  app.decorateRequest('presented')
  app.decorateRequest('peerAddress', '')
  app.decorateRequest('isOverTls', false)

  app.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders)
    // Counted by us: Node would leave out what is past the bound, and a rule would be asked about a request that was never made.
    if (request.raw.rawHeaders.length > 2 * limits.headFields) throw new Refusal('too-many-headers', { limit: limits.headFields })
    if (probes.has(request.url)) return
    const { origin, host, authorization } = request.headers
    const isInTls = isTls(request.raw.socket)
    admission.assertOrigin(origin, host, isInTls)
    const address = admission.peers.addressOf(request.raw)
    request.peerAddress = address
    request.isOverTls = isInTls || origin?.startsWith('https://') === true
    const certificate = certificateOf(request.raw.socket)
    const cookie = cookieIn(request.headers.cookie, isInTls)
    request.presented = { clientId: undefined, address, host, certificate, cookie, ...authorizationOf(authorization) }
    const isForAll = isOpen(request)
    request.principal = await authenticate(request.presented, isForAll)
    const isPage = isForAll && needOf(request) === undefined
    if (request.principal.identity.is === 'user' && !isPage) admission.assertFromPage(request.method, request.headers)
    requests.add(request, reply)
    assertRight(request)
    if (origin !== undefined) reply.headers({ 'access-control-allow-origin': origin, vary: 'Origin' })
  })

  // A body may take its time, and rights may be lost meanwhile.
  app.addHook('preHandler', async (request, reply) => requests.begin(request, reply))

  app.setErrorHandler((error: FastifyError | Refusal, request, reply) => {
    const refusal = refusalOf(error, request.url)
    if (refusal === undefined) {
      log.error({ err: error, url: request.url, request: request.id }, 'a bug ended a request')
      sendProblem(reply, new Refusal('internal-error', { detail: request.id }))
      return
    }
    api.metrics.refused(refusal.code, request.principal?.owner)
    sendProblem(reply, refusal)
  })

  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'Mooring', version: api.version, description: 'The HTTP API of an IoT connection hub.' } },
  })
  deviceRoutes(app, api)
  timelineRoutes(app, api)
  telemetryRoutes(app, api)
  latestRoutes(app, api)
  pointRoutes(app, api)
  bucketRoutes(app, api)
  chartRoutes(app, api)
  twinRoutes(app, api)
  twinVersionRoutes(app, api)
  twinTargetRoutes(app, api)
  storeRoutes(app, api)
  credentialRoutes(app, api)
  certificateRoutes(app, api)
  roleRoutes(app, api)
  typeRoutes(app, api)
  groupRoutes(app, api)
  provisioningRoutes(app, api)
  claimRoutes(app, api)
  commandRoutes(app, api, assertReadsDevice)
  bulkRoutes(app, api)
  auditRoutes(app, api)
  banRoutes(app, api)
  loginRoutes(app, api)
  secondFactorRoutes(app, api)
  userRoutes(app, api)
  exportRoutes(app, api)
  importRoutes(app, api)
  influxRoutes(app, api)
  publishRoutes(app, api)
  retainedRoutes(app, api)
  sessionRoutes(app, api)
  sqlRoutes(app, api)
  extensionRoutes(app, api)
  parts.extensionRoutes.answerOn(app)
  streamRoutes(app, uplinks)
  downRoutes(app, down)
  eventRoutes(app, feed, eventStreams, assertReadsDevice)
  hubRoutes(app, api)
  docsRoutes(app)
  dashboardFiles(app, dashboardFolder, api)
  await app.ready()
  return serversOf(app)
}

/** Devices send what their library sends: the body is bytes, whatever its content type says (curl -d says it is a form). */
export function parseBodies(app: FastifyInstance, wheel: Wheel): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', async ({ routeOptions, headers }: FastifyRequest, body: IncomingMessage) => {
    if (routeOptions.config.bodyStream === true) return body
    return readBody(body, Number(headers['content-length']), routeOptions.bodyLimit, wheel)
  })
}

function serversOf(app: FastifyInstance): HttpServers {
  const http1 = app.server
  const http2 = createHttp2Server((request, response) => app.routing(request, response))
  const sessions = new Set<ServerHttp2Session>()
  http2.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
  })
  return {
    http1,
    http2,
    close() {
      http2.close()
      return app.close()
    },
    destroyAll() {
      http1.closeAllConnections()
      for (const session of sessions) session.destroy()
    },
  }
}

/** The page's files, and the page itself for every path that a browser asks for: its routes are made by the page. */
function dashboardFiles(app: FastifyInstance, folder: string, { metrics }: ApiParts): void {
  const index = existsSync(join(folder, 'index.html')) ? readFileSync(join(folder, 'index.html')) : undefined
  if (index !== undefined) {
    // Names carry a hash of the content, so a browser may keep them for ever.
    app.register(async (page) => {
      page.addHook('onRoute', (route) => {
        route.config = { ...route.config, isPage: true }
      })
      await page.register(fastifyStatic, {
        root: folder,
        prefix: '/',
        wildcard: false,
        index: false,
        maxAge: '365d',
        immutable: true,
        schemaHide: true,
      })
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

// HTTP routes of extensions, below /x/{extension}/. Each extension has an app of its own, behind one route of the hub's, and goes with it.
//
// Who asks is known when a request comes here, as for what is open to everybody; the app asks for more where its route does not say `open`.
import type { IncomingMessage } from 'node:http'
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Presented } from '../access/authenticator.ts'
import type { Principal } from '../access/principal.ts'
import { Refusal } from '../errors.ts'
import type { RunRoute } from '../extend/extensions.ts'
import { Late } from '../extend/handlers.ts'
import { limits } from '../limits.ts'
import type { Metrics } from '../metrics.ts'
import type { Wheel } from '../wheel.ts'
import { readBody } from './body.ts'
import { refusalOf, sendProblem } from './problems.ts'

export interface ExtensionRoutesParts {
  readonly wheel: Wheel
  readonly metrics: Metrics
  /** Errors: the `Refusal` for who may not come in. */
  authenticate(presented: Presented, orNobody: boolean): Principal | Promise<Principal>
}

interface Mounted {
  readonly app: FastifyInstance
  underWay: number
}

export class ExtensionRoutes {
  readonly #parts: ExtensionRoutesParts
  readonly #mounted = new Map<string, Mounted>()
  /** What the hub's own app knows of a request that is under way. */
  readonly #asked = new WeakMap<IncomingMessage, { readonly request: FastifyRequest; readonly reply: FastifyReply }>()

  constructor(parts: ExtensionRoutesParts) {
    this.#parts = parts
  }

  /** On the hub's own app. */
  answerOn(app: FastifyInstance): void {
    app.route({
      method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      url: '/x/:extension/*',
      config: { bodyStream: true },
      schema: {
        summary: 'What an extension offers',
        description: 'Each says itself what it takes, and whom it lets in: admins, unless it says else.',
      },
      handler: async (request, reply) => {
        const { extension } = request.params as { readonly extension: string }
        const mounted = this.#mounted.get(extension)
        if (mounted === undefined) throw new Refusal('not-found', { path: request.url.split('?', 1)[0] as string })
        const limit = limits.extensionRequests
        if (mounted.underWay >= limit) throw new Refusal('too-many-extension-requests', { extension, limit })
        mounted.underWay++
        reply.raw.once('close', () => mounted.underWay--)
        this.#asked.set(request.raw, { request, reply })
        reply.hijack()
        mounted.app.routing(request.raw, reply.raw)
      },
    })
  }

  /** Returns what takes them away again. Errors: fastify's, for what is no route. */
  async mount(extension: string, routes: readonly RunRoute[]): Promise<() => void> {
    const app = fastify({ logger: false, bodyLimit: limits.bodyBytes, routerOptions: { maxParamLength: limits.topicBytes } })
    parseBodies(app, this.#parts.wheel)
    app.decorateRequest('principal')
    app.addHook('onRequest', (request, reply) => this.#letIn(request, reply))
    app.setErrorHandler((error: FastifyError | Refusal | Late, request, reply) => {
      const refusal = refusalFor(extension, error, request)
      this.#parts.metrics.refused(refusal.code, request.principal?.owner)
      sendProblem(reply, refusal)
    })
    app.setNotFoundHandler((request) => {
      throw new Refusal('not-found', { path: request.url.split('?', 1)[0] as string })
    })
    for (const one of routes) {
      const { url, right: _, handler, config, ...route } = one.route
      app.route({
        ...route,
        url: `/x/${extension}${url}`,
        config: { ...config, ofExtension: one },
        handler: (request, reply) => one.run(() => handler.call(app, request, reply) as unknown),
      })
    }
    await app.ready()
    this.#mounted.set(extension, { app, underWay: 0 })
    return () => {
      this.#mounted.delete(extension)
      void app.close()
    }
  }

  /** Errors: those of who may not come in, `not-allowed`. */
  async #letIn(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const asked = this.#asked.get(request.raw)
    const route = request.routeOptions.config.ofExtension?.route
    if (asked === undefined || route === undefined) return // there is no such route
    reply.headers(asked.reply.getHeaders())
    const { right = 'admin' } = route
    request.principal = right === 'open' ? asked.request.principal : await this.#parts.authenticate(asked.request.presented, false)
    if (right === 'admin' && !request.principal.permissions.may('admin', 'hub'))
      throw new Refusal('not-allowed', { action: 'administer', topic: 'hub' })
  }
}

/** JSON where it is called that, else bytes. */
function parseBodies(app: FastifyInstance, wheel: Wheel): void {
  const whole = ({ headers, routeOptions }: FastifyRequest, body: IncomingMessage) =>
    readBody(body, Number(headers['content-length']), routeOptions.bodyLimit, wheel)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', whole)
  app.addContentTypeParser('application/json', async (request: FastifyRequest, body: IncomingMessage) => {
    const bytes = await whole(request, body)
    try {
      return JSON.parse(bytes.toString()) as unknown
    } catch (error) {
      throw new Refusal('request-invalid', { detail: `the body is not JSON: ${(error as Error).message}` })
    }
  })
}

function refusalFor(extension: string, error: FastifyError | Refusal | Late, request: FastifyRequest): Refusal {
  const route = request.routeOptions.config.ofExtension
  if (error instanceof Late) return new Refusal('extension-late', { extension, seconds: limits.handlerSeconds })
  const refusal = refusalOf(error as FastifyError | Refusal, request.url)
  if (refusal !== undefined) return refusal
  route?.failed(error)
  return new Refusal('extension-failed', { extension })
}

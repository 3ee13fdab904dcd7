// Requests that are under way, and who asks: rights that change while a body comes, or while an answer goes, hold for it at once.
import type { ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Revise } from '../access/access.ts'
import { type Refusal, refusalBy } from '../errors.ts'
import { assertRight } from './rights.ts'

interface Open {
  readonly request: FastifyRequest
  /** Why whoever asks may not stay after all. */
  why: Refusal | undefined
}

export class Requests {
  /** By what is answered with. Those that are held for long by others are not kept alive by this. */
  readonly #open = new Map<ServerResponse, Open>()
  readonly #onClose: (this: ServerResponse) => void

  constructor() {
    const open = this.#open
    this.#onClose = function () {
      open.delete(this)
    }
  }

  /** It is known who asks. */
  add(request: FastifyRequest, { raw }: FastifyReply): void {
    this.#open.set(raw, { request, why: undefined })
    raw.once('close', this.#onClose)
  }

  /** All of it has come, and its route is asked. Errors: the refusal, when rights were lost while the body came. */
  begin(request: FastifyRequest, { raw }: FastifyReply): void {
    const open = this.#open.get(raw)
    if (open === undefined) return // a probe: nobody asks who that is
    const { isTransfer, isHeld } = request.routeOptions.config
    if (isTransfer !== true && isHeld !== true) this.#open.delete(raw)
    if (open.why !== undefined) throw open.why
    assertRight(request)
  }

  /** Somebody else holds it from now on, and its rights. Errors: the refusal, when they were lost. */
  letGo({ raw }: FastifyReply): void {
    const open = this.#open.get(raw)
    this.#open.delete(raw)
    if (open?.why !== undefined) throw open.why
  }

  /** Who may not stay may do nothing from now on. What would go on for long is cut; the rest finds out before its route is asked. */
  reviseAll(revise: Parameters<Revise>[0]): void {
    for (const [raw, open] of this.#open) {
      const { request } = open
      const { principal } = request
      const { permissions } = principal
      open.why ??= revise(principal)
      const isOut = open.why !== undefined
      if (isOut) principal.become({ ...principal.identity, role: '', rules: [] })
      if (principal.permissions === permissions || request.routeOptions.config.isTransfer !== true) continue
      if (isOut || refusalBy(() => assertRight(request)) !== undefined) raw.destroy()
    }
  }
}

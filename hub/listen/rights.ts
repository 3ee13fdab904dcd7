// What each route of the HTTP API asks of who calls it, in one table a person can read. A route that is not in it is for those alone whom
// nothing is refused.
import type { FastifyRequest } from 'fastify'
import type { Principal } from '../access/principal.ts'
import { Refusal } from '../errors.ts'
import type { Principal as SessionPrincipal } from '../session/principal.ts'

/**
 * `open`: anybody, let in or not: it holds no secret, and asks for one itself where it does more. `free`: anybody who is let in; what is
 * published, subscribed, delivered or commanded is asked about where it happens. `device`: to read what the device of the path says. `devices`:
 * the same of all devices that the query names, or of every one. `every`: of every one, whatever the query says. `command`: to say what
 * the device of the path is to do or to be. `hub`: to read what the hub says of itself. `everything`: to read all of it. `admin`: to change the device of the
 * path; without one, the hub.
 */
type Need = 'open' | 'free' | 'device' | 'devices' | 'every' | 'command' | 'hub' | 'everything' | 'admin'

export const needs: Readonly<Record<string, Need>> = {
  'GET /v1/devices': 'every',
  'GET /v1/devices/:id': 'device',
  'PATCH /v1/devices/:id': 'admin',
  'GET /v1/devices/:id/events': 'device',
  'DELETE /v1/devices/:id/connection': 'admin',
  'GET /v1/timeline': 'devices',
  'POST /v1/devices/:id/telemetry': 'free',
  'POST /v1/devices/:id/telemetry/:metric': 'free',
  'POST /v1/devices/:id/stream': 'free',
  'POST /v1/devices/:id/replies/:command': 'free',
  'GET /v1/devices/:id/commands': 'free',
  'POST /v1/devices/:id/state/reported': 'free',
  'PATCH /v1/devices/:id/state/reported': 'free',
  'POST /v1/devices/:id/state/:name/reported': 'free',
  'PATCH /v1/devices/:id/state/:name/reported': 'free',
  'GET /v1/devices/:id/twin': 'device',
  'PATCH /v1/devices/:id/twin': 'command',
  'GET /v1/devices/:id/twin/versions': 'device',
  'GET /v1/devices/:id/twin/diff': 'device',
  'GET /v1/devices/:id/twins': 'device',
  'GET /v1/devices/:id/twins/:name': 'device',
  'PATCH /v1/devices/:id/twins/:name': 'command',
  'DELETE /v1/devices/:id/twins/:name': 'admin',
  'GET /v1/devices/:id/twins/:name/versions': 'device',
  'GET /v1/devices/:id/twins/:name/diff': 'device',
  'POST /v1/twins': 'every',
  'POST /v1/devices/:id/commands': 'command',
  'GET /v1/commands': 'devices',
  'POST /v1/commands': 'free',
  'GET /v1/commands/counts': 'every',
  'GET /v1/commands/:command': 'free',
  'DELETE /v1/commands/:command': 'free',
  'GET /v1/bulks': 'every',
  'GET /v1/bulks/:bulk': 'every',
  'DELETE /v1/bulks/:bulk': 'free',
  'GET /v1/devices/:id/telemetry': 'device',
  'GET /v1/devices/:id/series': 'device',
  'POST /v1/stream': 'free',
  'POST /v1/publish': 'free',
  'GET /v1/session/events': 'free',
  'GET /v1/session/messages': 'free',
  'GET /v1/messages': 'free',
  'POST /v1/import': 'free',
  'POST /api/v2/write': 'free',
  'POST /write': 'free',
  'GET /v1/latest': 'devices',
  'GET /v1/telemetry/points': 'devices',
  'GET /v1/telemetry/buckets': 'devices',
  'GET /v1/telemetry/chart': 'devices',
  'GET /v1/export': 'devices',
  'GET /v1/events': 'devices',
  'GET /v1/retained': 'free',
  'POST /v1/sql': 'everything',
  'GET /v1/hub': 'hub',
  'GET /v1/store': 'hub',
  'GET /v1/sessions': 'hub',
  'DELETE /v1/sessions/:client/connection': 'admin',
  'GET /v1/devices/:id/credentials': 'admin',
  'POST /v1/devices/:id/credentials': 'admin',
  'PUT /v1/devices/:id/disabled': 'admin',
  'GET /v1/provisioning': 'admin',
  'POST /v1/provisioning': 'admin',
  'DELETE /v1/provisioning/:key': 'admin',
  'POST /v1/provision': 'open',
  'GET /v1/claims': 'admin',
  'POST /v1/claims': 'admin',
  'DELETE /v1/claims/:claim': 'admin',
  'POST /v1/devices': 'admin',
  'DELETE /v1/devices/:id': 'admin',
  'GET /v1/keys': 'admin',
  'POST /v1/keys/:name': 'admin',
  'DELETE /v1/credentials/:credential': 'admin',
  'GET /v1/ca': 'open',
  'GET /v1/ca/certificates': 'admin',
  'POST /v1/ca/certificates': 'admin',
  'GET /v1/roles': 'admin',
  'PUT /v1/roles/:name': 'admin',
  'DELETE /v1/roles/:name': 'admin',
  'GET /v1/types': 'every',
  'PUT /v1/types/:name': 'admin',
  'DELETE /v1/types/:name': 'admin',
  'GET /v1/groups': 'every',
  'PUT /v1/groups/:name': 'admin',
  'DELETE /v1/groups/:name': 'admin',
  'GET /v1/permissions/explain': 'free',
  'GET /v1/audit': 'admin',
  'GET /v1/audit/export': 'admin',
  'GET /v1/bans': 'admin',
  'DELETE /v1/bans/:address': 'admin',
  'POST /v1/login': 'open',
  'POST /v1/logout': 'open',
  'GET /v1/me': 'open',
  'POST /v1/me/password': 'open',
  'POST /v1/me/second-factor': 'open',
  'POST /v1/me/second-factor/confirm': 'open',
  'DELETE /v1/me/second-factor': 'open',
  'POST /v1/setup': 'open',
  'POST /v1/setup-link': 'free',
  'GET /v1/users': 'admin',
  'POST /v1/users': 'admin',
  'PATCH /v1/users/:name': 'admin',
  'DELETE /v1/users/:name': 'admin',
  'GET /v1/extensions': 'hub',
  'POST /v1/devices/:id/calls/:name': 'free',
  'GET /v1/devices/:id/conversations': 'device',
  'POST /v1/devices/:id/conversations/:name': 'admin',
  'DELETE /v1/devices/:id/conversations/:conversation': 'admin',
  // What an extension does not open it asks for itself, see extension-routes.ts.
  'GET /x/:extension/*': 'open',
  'POST /x/:extension/*': 'open',
  'PUT /x/:extension/*': 'open',
  'PATCH /x/:extension/*': 'open',
  'DELETE /x/:extension/*': 'open',
  'GET /v1/openapi.json': 'free',
  'GET /docs': 'free',
  'GET /docs/errors': 'free',
  'GET /docs/docs.css': 'free',
  'GET /healthz': 'free',
  'GET /readyz': 'free',
}

/** Undefined for what is no route of the API. */
export function needOf({ routeOptions, method }: FastifyRequest): Need | undefined {
  return needs[`${method === 'HEAD' ? 'GET' : method} ${routeOptions.url}`]
}

/** Whether it is there for everybody, also for who may not come in: the page's files, what is no route at all, and how to log in. */
export function isOpen(request: FastifyRequest): boolean {
  const { routeOptions } = request
  return routeOptions.url === undefined || routeOptions.config.isPage === true || needOf(request) === 'open'
}

/** Errors: `not-allowed`. Paths that are no route are for the page, whose files are no secret. */
export function assertRight(request: FastifyRequest): void {
  const { principal, params, query } = request
  const { permissions } = principal
  if (permissions.isUnbounded || isOpen(request)) return
  const need = needOf(request)
  const { id } = params as { readonly id?: string }
  switch (need) {
    case 'free':
      return
    case 'device':
      assertReadsDevice(principal, `${id}`)
      return
    case 'devices':
      for (const device of devicesIn(query)) assertReadsDevice(principal, device)
      return
    case 'every':
      assertReadsDevice(principal, '+')
      return
    case 'command':
      if (!permissions.may('command', `devices/${id}`)) throw new Refusal('not-allowed', { action: 'command', topic: `devices/${id}` })
      return
    case 'everything':
      for (const filter of ['#', '$SYS/#']) assertReads(principal, filter)
      return
    case 'hub':
      assertReads(principal, '$SYS/#')
      return
    default: {
      const topic = id === undefined ? 'hub' : `devices/${id}`
      if (need === undefined || !permissions.may('admin', topic)) throw new Refusal('not-allowed', { action: 'administer', topic })
    }
  }
}

/** All that a device says, and whole what is stored of it: no delivery asks again whether it may be had. Errors: `not-allowed`. */
export function assertReadsDevice({ permissions }: SessionPrincipal, device: string): void {
  const [all, stored] = [`devices/${device}/#`, `devices/${device}/telemetry/#`]
  if (!permissions.maySubscribe(all)) throw new Refusal('not-allowed', { action: 'read', topic: all })
  if (!permissions.mayReadAll(stored)) throw new Refusal('not-allowed', { action: 'read', topic: stored })
}

function assertReads({ permissions }: Principal, filter: string): void {
  if (!permissions.mayReadAll(filter)) throw new Refusal('not-allowed', { action: 'read', topic: filter })
}

/** Every device, where none is named. */
function devicesIn(query: unknown): readonly string[] {
  const { device } = query as { readonly device?: string | readonly string[] }
  const named = device === undefined ? [] : typeof device === 'string' ? [device] : device
  return named.length === 0 ? ['+'] : named
}

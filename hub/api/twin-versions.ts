// The history of a twin: its versions, and what lies between two times.
import type { FastifyInstance } from 'fastify'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { anything, array, integer, mapOf, object, optional, orNull, string } from '../schema.ts'
import { type ApiParts, problemSchema } from './parts.ts'
import { type RangeAsked, rangeOf, rangeParameters } from './times.ts'
import { twinIn, twinPaths, versionProperties } from './twins.ts'

const patchSchema = mapOf(anything, { description: 'A merge patch (RFC 7396)' })

export function twinVersionRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { twins } = parts.store
  for (const [path, params, which] of twinPaths) {
    app.get(
      `${path}/versions`,
      {
        schema: {
          summary: `Versions of the twin of a device${which}`,
          description: `The newest first, each with what it changed; at most ${limits.twinVersions} of them are kept (limits.twinVersions).`,
          params,
          querystring: object({
            before: optional(integer({ minimum: 1, description: 'Versions below this one; take `next` of the page before' })),
            limit: integer({ minimum: 1, maximum: limits.pageTwinVersions, default: 100 }),
          }),
          response: {
            200: object({
              versions: array(
                object({
                  ...versionProperties,
                  part: string({ enum: ['desired', 'reported'] }),
                  by: orNull(string(), { description: 'Who changed it; null for the device' }),
                  patch: patchSchema,
                }),
              ),
              next: orNull(integer(), { description: 'Value of `before` for the next page' }),
            }),
            404: problemSchema,
          },
        },
      },
      async (request) => {
        const { device, name } = twinIn(request, parts)
        const { before = Number.MAX_SAFE_INTEGER, limit } = request.query as { readonly before?: number; readonly limit: number }
        const { versions, hasMore } = await twins.versions(device, name, before, limit)
        return { versions, next: hasMore ? versions.at(-1)!.version : null }
      },
    )

    app.get(
      `${path}/diff`,
      {
        schema: {
          summary: `What changed between two times in the twin of a device${which}`,
          params,
          querystring: object(rangeParameters),
          response: {
            200: object({
              from: object(versionProperties),
              to: object(versionProperties),
              desired: patchSchema,
              reported: patchSchema,
            }),
            404: problemSchema,
            410: problemSchema,
          },
        },
      },
      async (request) => {
        const { device, name } = twinIn(request, parts)
        const { fromMs, toMs } = rangeOf(request.query as RangeAsked, parts.clock.now())
        const difference = await twins.difference(device, name, fromMs, toMs)
        if (difference === undefined) throw new Refusal('twin-past-gone', { device, twin: name })
        return difference
      },
    )
  }
}

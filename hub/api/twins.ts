// /v1/devices/{id}/twin and …/twins/{name}: what a device reports of its state, and what its state should be.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isDeviceId } from '../../devices/device.ts'
import { mainTwin, reportedTopic } from '../../devices/topics.ts'
import { emptySection, isTwinName, type StatePatch, twinNameRule, whyNotState } from '../../devices/twin.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { anything, array, boolean, integer, mapOf, number, object, optional, string } from '../schema.ts'
import type { Twin, TwinState } from '../store/twins.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, deviceParameters, objectIn, problemSchema } from './parts.ts'
import { publish, publishResponses } from './publish.ts'
import { timeOf } from './times.ts'

const stateSchema = mapOf(anything)

/** Properties of one version in an answer. */
export const versionProperties = {
  version: integer({ description: 'Grows by one with each change; 0 before the first' }),
  at: number({ description: 'Unix ms, when it became so; 0 before the first change' }),
}

const twinSchema = object({
  device: string(),
  twin: string(),
  ...versionProperties,
  desired: stateSchema,
  reported: stateSchema,
  delta: mapOf(anything, { description: 'What of `desired` is missing in `reported` or differs from it; arrays are whole' }),
  times: optional(
    object(
      { desired: stateSchema, reported: stateSchema },
      { description: 'When each leaf was last said, in its place, Unix ms; not of the past' },
    ),
  ),
})

export const namedParameters = object({ id: string({ description: 'Device id' }), name: string({ description: 'Name of a twin' }) })

const changeDescription = [
  'The body is `{"desired":{"valve":{"open":true},"mode":null}}`, a merge patch (RFC 7396): what is left out stays, null removes a member, and in',
  'place of the patch all of it. What a device reports it alone changes. With `If-Match: "VERSION"`, as `ETag` of an answer says it, the change is',
  'made to that version and to no other (412). The answer comes once it is on disk; a device that is connected is told at once, another one when it',
  'comes: on `devices/{id}/state/desired`, a named twin on `devices/{id}/state/{name}/desired`.',
].join(' ')

const reportDescription = [
  'The body is a merge patch (RFC 7396) of what the device has reported so far: `{"valve":{"open":true}}`. The same can be published to',
  '`devices/{id}/state/reported`, on every wire. The answer comes once it is on disk.',
].join(' ')

/** The main twin, and those that have a name. */
export const twinPaths = [
  ['/v1/devices/:id/twin', deviceParameters, ''],
  ['/v1/devices/:id/twins/:name', namedParameters, ' that has a name'],
] as const

export function twinRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { store, access, clock } = parts
  const { twins } = store
  const responses = { 200: twinSchema, 400: problemSchema, 404: problemSchema, 410: problemSchema }

  for (const [path, params, which] of twinPaths) {
    app.get(
      path,
      {
        schema: {
          summary: `The twin of a device${which}`,
          params,
          querystring: object({ at: optional(string({ description: 'As it was then: Unix ms, ISO 8601, or before now: `-15m`' })) }),
          response: responses,
        },
      },
      async (request, reply) => {
        const { device, name } = twinIn(request, parts)
        const { at } = request.query as { readonly at?: string }
        const twin = await readTwin(parts, device, name)
        if (at === undefined) return answerOf(device, twin, reply)
        const atMs = timeOf('at', at, clock.now())
        const past: TwinState | undefined = twin.version === 0 ? twin : await twins.at(device, name, atMs)
        if (past === undefined) throw new Refusal('twin-past-gone', { device, twin: name })
        return { device, twin: name, ...past }
      },
    )

    app.patch(
      path,
      {
        schema: {
          summary: `Change what is desired of the twin of a device${which}`,
          description: changeDescription,
          params,
          response: { ...responses, 412: problemSchema, 507: problemSchema },
        },
      },
      async (request, reply) => {
        const { device, name } = twinIn(request, parts)
        const patch = patchIn(bodyOf(request))
        const by = actorOf(request)
        const change = { device, twin: name, patch, ifVersion: versionIn(request), at: clock.now(), by: by.who }
        const twin = await twins.change(change)
        await access.audit('twin.change', `device/${device}`, by, `version ${twin.version} of ${name}`)
        return answerOf(device, twin, reply)
      },
    )
  }

  app.get(
    '/v1/devices/:id/twins',
    {
      schema: {
        summary: 'The twins of a device',
        params: deviceParameters,
        response: {
          200: object({
            twins: array(
              object({ twin: string(), ...versionProperties, isSettled: boolean({ description: 'All that is desired is reported' }) }),
            ),
          }),
          404: problemSchema,
        },
      },
    },
    async (request) => ({ twins: await twins.list(twinIn(request, parts).device) }),
  )

  app.delete(
    '/v1/devices/:id/twins/:name',
    {
      schema: {
        summary: 'Remove a twin with its history',
        description: `\`${mainTwin}\` is the one without a name. One that is made anew begins with the version 1. \`If-Match\` as of a change.`,
        params: namedParameters,
        response: { 200: object({ removed: string() }), 404: problemSchema, 412: problemSchema, 507: problemSchema },
      },
    },
    async (request) => {
      const { device, name } = twinIn(request, parts)
      if (!(await twins.remove(device, name, versionIn(request)))) throw new Refusal('twin-unknown', { device, twin: name })
      await access.audit('twin.remove', `device/${device}`, actorOf(request), name)
      return { removed: name }
    },
  )

  for (const [path, params] of [
    ['/v1/devices/:id/state/reported', deviceParameters],
    ['/v1/devices/:id/state/:name/reported', namedParameters],
  ] as const) {
    const schema = { summary: 'Report the state of a device', description: reportDescription, params, response: publishResponses }
    for (const method of ['POST', 'PATCH'] as const) {
      app.route({
        method,
        url: path,
        schema,
        handler: async (request) => {
          const { id, name = mainTwin } = request.params as { readonly id: string; readonly name?: string }
          if (!isDeviceId(id)) throw new Refusal('device-id-invalid', { id })
          return publish(parts, reportedTopic(id, name), bodyOf(request), { qos: 1, retain: false, by: request.principal })
        },
      })
    }
  }
}

/** Errors: `device-unknown`, `twin-invalid`. */
export function twinIn({ params }: FastifyRequest, { devices }: ApiParts): { device: string; name: string } {
  const { id, name = mainTwin } = params as { readonly id: string; readonly name?: string }
  if (!devices.has(id)) throw new Refusal('device-unknown', { id })
  return { device: id, name: checkedName(name) }
}

/** Errors: `twin-invalid`. */
export function checkedName(name: string): string {
  if (!isTwinName(name)) throw new Refusal('twin-invalid', { detail: twinNameRule })
  return name
}

/** The main twin is there for every device. Errors: `twin-unknown`. */
async function readTwin({ store }: ApiParts, device: string, name: string): Promise<Twin> {
  const twin = await store.twins.read(device, name)
  if (twin !== undefined) return twin
  if (name !== mainTwin) throw new Refusal('twin-unknown', { device, twin: name })
  const { state, times } = emptySection
  return { twin: name, version: 0, at: 0, desired: state, reported: state, delta: state, times: { desired: times, reported: times } }
}

function answerOf(device: string, twin: Twin, reply: FastifyReply): object {
  reply.header('etag', `"${twin.version}"`)
  return { device, ...twin }
}

export function bodyOf({ body }: FastifyRequest): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0)
}

/** Errors: `request-invalid`, `twin-invalid`. */
function patchIn(body: Buffer): StatePatch {
  const { desired, ...others } = objectIn(body)
  const [foreign] = Object.keys(others)
  if (foreign !== undefined)
    throw new Refusal('twin-invalid', { detail: `"desired" can be changed, and nothing called ${JSON.stringify(foreign.slice(0, 64))}` })
  return checkedPatch(desired, body.length)
}

/** `bytes`: of the text that it stands in. Errors: `twin-invalid`. */
export function checkedPatch(patch: unknown, bytes: number): StatePatch {
  const why =
    bytes > limits.twinPatchBytes
      ? `it has ${bytes} bytes, and may have ${limits.twinPatchBytes} (limits.twinPatchBytes)`
      : whyNotState(patch, limits)
  if (why !== undefined) throw new Refusal('twin-invalid', { detail: why })
  return patch as StatePatch
}

/** Errors: `request-invalid`. */
function versionIn({ headers }: FastifyRequest): number | undefined {
  const said = headers['if-match']
  if (said === undefined || said === '*') return undefined
  const [, version] = /^(?:W\/)?"?(\d{1,15})"?$/.exec(said) ?? []
  if (version === undefined)
    throw new Refusal('request-invalid', { detail: `If-Match is the version of a twin, "7", not ${said.slice(0, 64)}` })
  return Number(version)
}

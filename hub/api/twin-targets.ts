// POST /v1/twins: the same change of what is desired, of many devices.
import type { FastifyInstance } from 'fastify'
import { isDeviceId } from '../../devices/device.ts'
import { mainTwin } from '../../devices/topics.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { array, boolean, integer, object, optional, string } from '../schema.ts'
import type { DesiredOutcome } from '../store/twins.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, objectIn, problemSchema } from './parts.ts'
import { type DevicesAsked, devicesSelected, shown } from './query.ts'
import { bodyOf, checkedName, checkedPatch } from './twins.ts'

const description = [
  'The body is `{"group":"north","desired":{"valve":{"open":true}}}`. Devices are chosen by `group`, `type` and `tag` (`"site:north"`, or an array:',
  'those that meet all that is said), or are named: `"devices":["pump-7","pump-8"]`. `"twin":"name"` means that one. Each is changed or refused by',
  `itself, as \`PATCH /v1/devices/{id}/twin\` does; at most ${limits.twinTargets} at a time. The answer comes once all is on disk.`,
].join(' ')

const answerSchema = object({
  changed: integer(),
  unchanged: integer({ description: 'What was desired already' }),
  refused: integer(),
  outcomes: array(
    object({
      device: string(),
      version: optional(integer()),
      changed: optional(boolean()),
      code: optional(string()),
      detail: optional(string()),
    }),
  ),
})

interface Wanted extends DevicesAsked {
  readonly devices: readonly string[] | undefined
  readonly twin: string
  /** How the audit log calls them. */
  readonly words: string
}

export function twinTargetRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { store, access, clock } = parts
  app.post(
    '/v1/twins',
    {
      schema: {
        summary: 'Change what is desired of many devices',
        description,
        response: { 200: answerSchema, 400: problemSchema, 404: problemSchema, 507: problemSchema },
      },
    },
    async (request) => {
      const body = bodyOf(request)
      const { desired, ...said } = objectIn(body)
      const wanted = wantedIn(said)
      const patch = checkedPatch(desired, JSON.stringify(desired ?? null).length)
      const { permissions } = request.principal
      const by = actorOf(request)
      const targets = await targetsOf(wanted, parts)
      const [allowed, others] = [[] as string[], [] as string[]]
      for (const id of targets) (permissions.may('command', `devices/${id}`) ? allowed : others).push(id)
      const outcomes: DesiredOutcome[] = others.map((device) => {
        const { code, message } = new Refusal('not-allowed', { action: 'command', topic: `devices/${device}` })
        return { device, refused: code, sentence: message }
      })
      for (let from = 0; from < allowed.length; from += limits.twinsAtOnce) {
        const ids = allowed.slice(from, from + limits.twinsAtOnce)
        const change = { twin: wanted.twin, patch, ifVersion: undefined, at: clock.now(), by: by.who }
        outcomes.push(...(await store.twins.changeAll(ids.map((device) => ({ device, ...change })))))
      }
      const answer = answerOf(outcomes)
      const { changed, unchanged, refused } = answer
      const detail = `${wanted.twin}: ${changed} changed, ${unchanged} as they were, ${refused} refused`
      await access.audit('twin.change', wanted.words, by, detail)
      return answer
    },
  )
}

/** Errors: `request-invalid`, `device-id-invalid`, `twin-invalid`. */
function wantedIn({ devices, group, type, tag, twin = mainTwin, ...others }: { readonly [name: string]: unknown }): Wanted {
  const [foreign] = Object.keys(others)
  if (foreign !== undefined) throw invalid(`nothing is called ${shown(foreign)}; there are devices, group, type, tag, twin and desired`)
  const tags = typeof tag === 'string' ? [tag] : tag
  if (devices !== undefined && !isTexts(devices)) throw invalid('devices is an array of device ids')
  if (tags !== undefined && !isTexts(tags)) throw invalid('tag is "name:value", or an array of them')
  for (const [name, value] of Object.entries({ group, type, twin }))
    if (value !== undefined && typeof value !== 'string') throw invalid(`${name} is text`)
  const hasConditions = group !== undefined || type !== undefined || tags !== undefined
  if ((devices !== undefined) === hasConditions) throw invalid('devices are chosen by group, type or tag, or named as devices')
  const stranger = devices?.find((id) => !isDeviceId(id))
  if (stranger !== undefined) throw new Refusal('device-id-invalid', { id: shown(stranger) })
  const conditions = [group && `group ${group}`, type && `type ${type}`, ...(tags ?? [])].filter((word) => word !== undefined)
  return {
    devices: devices && [...new Set(devices)],
    ...{ group: group as string | undefined, type: type as string | undefined, tag: tags },
    twin: checkedName(twin as string),
    words: devices === undefined ? `devices/${conditions.join(', ')}` : `devices/${devices.length} by name`,
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}

/** All of them, before the first is changed. Errors: `request-invalid`, `group-unknown`. */
async function targetsOf({ devices, group, type, tag }: Wanted, { store, access }: ApiParts): Promise<readonly string[]> {
  if (devices !== undefined) return assertNotTooMany(devices.length) ?? devices
  const selected = devicesSelected({ group, type, tag }, access.groups)
  const ids: string[] = []
  for (let after = ''; ; ) {
    const page = await store.devices({ ...selected, after, limit: limits.pageDevices })
    assertNotTooMany(page.total)
    ids.push(...page.devices.map(({ id }) => id))
    if (page.devices.length < limits.pageDevices) return ids
    after = ids.at(-1)!
  }
}

function assertNotTooMany(count: number): undefined {
  if (count > limits.twinTargets)
    throw invalid(`that are ${count} devices, and one change is of ${limits.twinTargets} at most (limits.twinTargets)`)
}

function answerOf(outcomes: readonly DesiredOutcome[]): {
  changed: number
  unchanged: number
  refused: number
  outcomes: readonly object[]
} {
  const refused = outcomes.filter((outcome) => 'refused' in outcome).length
  const changed = outcomes.filter((outcome) => 'changed' in outcome && outcome.changed).length
  return {
    ...{ changed, unchanged: outcomes.length - refused - changed, refused },
    outcomes: outcomes.map((outcome) =>
      'refused' in outcome ? { device: outcome.device, code: outcome.refused, detail: outcome.sentence } : outcome,
    ),
  }
}

function invalid(detail: string): Refusal {
  return new Refusal('request-invalid', { detail })
}

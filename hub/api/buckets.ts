// GET /v1/telemetry/buckets: aggregates over buckets of time, by the calendar of a time zone.
import type { FastifyInstance } from 'fastify'
import { isTagName } from '../../devices/device.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { anything, array, either, mapOf, number, object, optional, orNull, string } from '../schema.ts'
import { type Aggregate, aggregates, type Fill, fills } from '../store/telemetry.ts'
import { type ApiParts, problemSchema } from './parts.ts'
import {
  coarseSchema,
  listOf,
  type OneOrMore,
  onlyOf,
  type SeriesAsked,
  selectedSeries,
  seriesSelected,
  shown,
  whileAsked,
  withJson,
} from './query.ts'
import { everyOf, type RangeAsked, rangeOf, rangeParameters, zoneOf } from './times.ts'

/** What calendars are asked about. */
const [firstMs, endMs] = [Date.parse('0001-01-02T00:00:00Z'), Date.parse('9999-12-31T00:00:00Z')]

interface BucketsAsked extends Omit<SeriesAsked, 'group'>, RangeAsked {
  readonly every: string
  readonly timezone: string
  readonly aggregates: OneOrMore
  readonly fill: Fill
  readonly group?: string
  readonly inGroup?: string
}

const bucketsQuery = object({
  ...selectedSeries,
  ...rangeParameters,
  every: string({ description: 'Length of a bucket: a number and ms, s, m, h, d, w, mo or y', examples: ['15m', '1h', '1mo'] }),
  timezone: string({
    default: 'UTC',
    description: 'IANA name of a time zone: hours and longer follow its calendar and its daylight saving',
    examples: ['Europe/Berlin'],
  }),
  aggregates: either([string(), array(string())], {
    default: 'min,max,avg',
    description: `Separated by commas: ${aggregates.join(', ')}, and percentiles such as p50, p99.9`,
  }),
  fill: string({
    enum: [...fills],
    default: 'none',
    description: 'What stands for a bucket without points: no entry, null, the value before, or a line between the neighbours',
  }),
  group: optional(
    string({ description: 'One answer per `device`, `type`, `metric` or `tag:NAME` instead of one per series', examples: ['tag:site'] }),
  ),
  inGroup: optional(string({ description: 'Devices of this group (/v1/groups): `group` elsewhere' })),
})

const description = [
  'Aggregates of all series that meet every condition given, over buckets of time. The range is widened to whole buckets, and the answer’s',
  '`from` and `to` say to which. Each series has its labels (device and metric, or what it was grouped by), the times at which its buckets start,',
  'in Unix ms, and a column of the same length per aggregate.',
].join(' ')

const bucketsAnswer = object({
  series: array(object({ labels: mapOf(orNull(string())), starts: array(number()), columns: mapOf(array(anything)) })),
  from: number(),
  to: number(),
  every: string(),
  timezone: string(),
  coarse: coarseSchema,
})

export function bucketRoutes(app: FastifyInstance, { access, store, clock }: ApiParts): void {
  app.get(
    '/v1/telemetry/buckets',
    {
      preValidation: onlyOf(bucketsQuery),
      schema: {
        summary: 'Aggregates over buckets of time',
        description,
        querystring: bucketsQuery,
        response: { 200: bucketsAnswer, 400: problemSchema, 422: problemSchema },
      },
    },
    async (request, reply) => {
      const { from, to, every, timezone, aggregates: wanted, fill, group, inGroup, ...asked } = request.query as BucketsAsked
      const range = rangeOf({ from, to }, clock.now(), zoneOf(timezone))
      if (range.fromMs < firstMs || range.toMs >= endMs)
        throw new Refusal('request-invalid', { detail: 'from or to lies outside the years 1 to 9999' })
      const query = {
        ...seriesSelected({ ...asked, group: inGroup }, access.groups),
        ...range,
        every: everyOf(every),
        timeZone: timezone,
        aggregates: aggregatesOf(wanted),
        fill,
        ...(group === undefined ? {} : { groupBy: groupOf(group) }),
      }
      const { json, fromMs, toMs, coarse } = await store.telemetry.buckets(query, whileAsked(reply))
      return withJson(reply, 'series', json, { from: fromMs, to: toMs, every, timezone, coarse })
    },
  )
}

function aggregatesOf(wanted: OneOrMore): Aggregate[] {
  const names = new Set((listOf(wanted) ?? []).flatMap((text) => text.split(',')))
  if (names.size > limits.aggregatesAnswered)
    throw new Refusal('request-invalid', { detail: `aggregates names more than ${limits.aggregatesAnswered} (limits.aggregatesAnswered)` })
  return Array.from(names, (name) => {
    if (isAggregate(name)) return name
    throw new Refusal('request-invalid', { detail: `aggregates knows ${aggregates.join(', ')} and p0 to p100; not ${shown(name)}` })
  })
}

function isAggregate(name: string): name is Aggregate {
  return (aggregates as readonly string[]).includes(name) || /^p(100|\d{1,2}(\.\d{1,6})?)$/.test(name)
}

function groupOf(group: string): string {
  if (group === 'device' || group === 'type' || group === 'metric') return group
  if (group.startsWith('tag:') && isTagName(group.slice('tag:'.length), limits)) return group
  throw new Refusal('request-invalid', { detail: `group is device, type, metric or tag:NAME; not ${shown(group)}` })
}

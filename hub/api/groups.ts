// /v1/groups: names for questions that devices are chosen by.
import type { FastifyInstance } from 'fastify'
import type { DeviceGroup } from '../../devices/device-group.ts'
import { array, object, optional, string } from '../schema.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, jsonIn, problemSchema } from './parts.ts'

const groupSchema = object({ name: string(), query: string(), description: optional(string()) })

const putDescription = [
  'The body is `{"query":"site=north type=pump floor!=2"}`. A device belongs to the group while it meets every word: `name=value` (it has the tag',
  'with this value), `name!=value` (another one, or none), `name` (it has the tag), `!name` (it has not); `type` stands for its type. A value with',
  'blanks stands in quotation marks. Who belongs to it is found when it is asked: `?group=NAME` wherever devices are chosen by type or tag.',
].join(' ')

const groupParameters = object({ name: string() })

export function groupRoutes(app: FastifyInstance, { access }: ApiParts): void {
  const { groups } = access

  app.get(
    '/v1/groups',
    { schema: { summary: 'Groups of devices', response: { 200: object({ groups: array(groupSchema) }) } } },
    async (): Promise<{ groups: DeviceGroup[] }> => ({ groups: groups.all() }),
  )

  app.put(
    '/v1/groups/:name',
    {
      schema: {
        summary: 'Make a group of devices, or choose others by its name',
        description: putDescription,
        params: groupParameters,
        response: { 200: groupSchema, 400: problemSchema, 507: problemSchema },
      },
    },
    (request) => {
      const { name } = request.params as { name: string }
      return groups.put(name, jsonIn(request.body, 'group-invalid'), actorOf(request))
    },
  )

  app.delete(
    '/v1/groups/:name',
    {
      schema: {
        summary: 'Remove a group',
        description: 'Its devices stay as they are.',
        params: groupParameters,
        response: { 200: object({ removed: string() }), 404: problemSchema },
      },
    },
    async (request) => {
      const { name } = request.params as { name: string }
      await groups.remove(name, actorOf(request))
      return { removed: name }
    },
  )
}

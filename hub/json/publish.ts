// `publish` and `reply`: what a client has to say to others.
import { replyTopic } from '../../devices/topics.ts'
import { Refusal } from '../errors.ts'
import { readPublication } from '../routing/publication.ts'
import type { Publication, Router } from '../routing/router.ts'
import type { PublishFrame, ReplyFrame } from './frames.ts'

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** Filled for each message and read at once by the router. */
const publication: Writable<Publication> = { qos: 0, retain: false, properties: undefined, from: undefined, checked: false }

/**
 * Returns the number that `Journal.after` is to be asked with: that of a reading which the store looks at before it is answered, or 0.
 * `isAnswered`: its client waits for the answer; a reading nobody waits for is kept as it is, and its device's page says what is wrong with it.
 * Errors: a `Refusal`, and then nothing has happened.
 */
export function publish(router: Router, clientId: string, frame: PublishFrame, isAnswered: boolean): number {
  const { topic, qos, retain, payload } = readPublication(frame)
  const route = router.routeOf(topic)
  publication.qos = qos
  publication.retain = retain
  publication.from = clientId
  publication.checked = isAnswered && route.meaning.is === 'telemetry'
  const seq = router.publish(route, payload, 0, payload.length, publication)
  return publication.checked ? seq : 0
}

/** The answer to a command, from the device of this name. Errors: as of `publish`. */
export function reply(router: Router, deviceId: string, { command, status, result }: ReplyFrame): void {
  if (command === '' || command.includes('/')) throw new Refusal('frame-invalid', { detail: '"command" is the id of a command' })
  const frame = { is: 'publish', topic: replyTopic(deviceId, command), payload: { status, result }, qos: 1, retain: false } as const
  publish(router, deviceId, frame, false)
}

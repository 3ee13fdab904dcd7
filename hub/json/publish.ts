// `publish` and `reply`: what a client has to say to others.
import { replyTopic } from '../../devices/topics.ts'
import { Refusal } from '../errors.ts'
import { readPublication } from '../routing/publication.ts'
import { blankPublication, type Router } from '../routing/router.ts'
import type { Principal } from '../session/principal.ts'
import type { PublishFrame, ReplyFrame } from './frames.ts'

/** Who publishes: a session, say. */
export interface Publisher {
  readonly clientId: string
  readonly principal: Principal
}

const publication = blankPublication()

/**
 * Returns the number that `Journal.after` is to be asked with: that of a reading which the store looks at before it is answered, or 0.
 * `isAnswered`: its client waits for the answer; a reading nobody waits for is kept as it is, and its device's page says what is wrong with it.
 * Errors: a `Refusal`, and then nothing has happened.
 */
export function publish(router: Router, { clientId, principal }: Publisher, frame: PublishFrame, isAnswered: boolean): number {
  const { topic, qos, retain, payload } = readPublication(frame)
  const route = router.routeOf(topic)
  publication.qos = qos
  publication.retain = retain
  publication.from = clientId
  publication.permissions = principal.permissions
  publication.allowance = principal.allowance
  publication.checked = isAnswered && route.isRead
  const seq = router.publish(route, payload, 0, payload.length, publication)
  return publication.checked ? seq : 0
}

/** The answer to a command, from the device that its client is. Errors: as of `publish`. */
export function reply(router: Router, publisher: Publisher, { command, status, result, reason }: ReplyFrame): void {
  if (command === '' || command.includes('/')) throw new Refusal('frame-invalid', { detail: '"command" is the id of a command' })
  const frame = {
    is: 'publish',
    topic: replyTopic(deviceOf(publisher), command),
    payload: { status, result, reason },
    qos: 1,
    retain: false,
  } as const
  publish(router, publisher, frame, false)
}

/** Without credentials a device is called as its client. */
function deviceOf({ clientId, principal: { owner } }: Publisher): string {
  return owner.startsWith('device/') ? owner.slice('device/'.length) : clientId
}

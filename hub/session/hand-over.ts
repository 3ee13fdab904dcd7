// What becomes of a delivery whose session has ended: what a shared group had entrusted to the session goes to another member.
import type { Delivery } from './connection.ts'
import type { Step } from './inflight.ts'
import type { Sessions } from './sessions.ts'

/**
 * `waiting`: it was never under way. What was begun at QoS 2 may go to nobody else  5: [MQTT-4.8.2-5]; one that the client has answered with
 * PUBREC is not lost, and one that waits for the disk the client has not seen.
 */
export function handOver({ message, qos, group }: Delivery, step: Step | 'waiting', sessions: Sessions): void {
  const { metrics } = sessions
  const isBegun = qos === 2 && (step === 'sent' || step === 'releasing' || step === 'released')
  if (isBegun) {
    if (step === 'sent') metrics.dropped(group === undefined ? 'session-ended' : 'no-member')
  } else if (sessions.isExpired(message)) metrics.dropped('expired')
  else if (group === undefined) metrics.dropped('session-ended')
  else if (!group.deliver(message)) metrics.dropped('no-member') // it was the last member
}

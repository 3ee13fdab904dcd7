// Publishing the last will of a client whose connection ended without a goodbye.
import type { Will } from '../../devices/will.ts'
import { Refusal } from '../errors.ts'
import type { Router } from '../routing/router.ts'
import type { Principal } from './principal.ts'

/** 5: [MQTT-3.1.2-8]  3.1.1: [MQTT-3.1.2-8]. A will that is refused (its device is one too many, say) is counted and lost: nobody is left to tell. */
export function publishWill(
  will: Will,
  { clientId, principal: { permissions } }: { readonly clientId: string; readonly principal: Principal },
  router: Router,
  refused: (refusal: Refusal) => void,
): void {
  const { payload, qos, retain, properties } = will
  const publication = { qos, retain, properties, from: clientId, permissions, checked: false }
  try {
    router.publish(router.routeOf(will.topic), payload, 0, payload.length, publication)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    refused(error)
  }
}

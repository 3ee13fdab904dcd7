// Metrics that fall silent, or speak again, are events of their device, told to those who follow.
import { freshnessTopic } from '../../devices/topics.ts'
import { recordKinds, type Store } from '../store/store.ts'
import type { Devices } from './devices.ts'
import type { Router } from './router.ts'

export function tellFreshness({ freshness, journal }: Pick<Store, 'freshness' | 'journal'>, devices: Devices, router: Router): void {
  router.means('freshness', { isOwn: true })
  freshness.onNews((news) => {
    for (const { device, is, metrics } of news) {
      if (!devices.has(device)) continue
      router.say(freshnessTopic(device), JSON.stringify({ is, metrics }))
      journal.appendRecord(recordKinds.event, devices.numberOf(device), `freshness/${is}`, JSON.stringify({ metrics }), true)
    }
  })
}

// Since when the hub runs, what it promises, and where it listens.
import { useComputed } from '@preact/signals'
import type { Hub, Listener } from '../../api.ts'
import { duration, exactTime } from '../../format.ts'
import { now } from '../../state.ts'
import { words } from '../../words.ts'

export function Standing({ hub }: { hub: Hub }) {
  const { mqtt, http, mqtts, https, all } = hub.listeners
  const listens = [
    mqtt === null ? words.hub.mqttOff : words.hub.listensMqtt(at(mqtt)),
    words.hub.listensHttp(at(http)),
    ...(mqtts === null ? [] : [words.hub.listensMqtts(at(mqtts))]),
    ...(https === null ? [] : [words.hub.listensHttps(at(https))]),
    ...(all === null ? [] : [words.hub.listensAll(at(all))]),
  ]
  const up = useComputed(() => words.hub.sentence(hub.version, duration(now.value - hub.startedAt)))
  return (
    <p class="sentence">
      <span title={exactTime(hub.startedAt)}>{up}</span> {words.hub.durabilitySays[hub.durability]}
      <br />
      <span class="quiet">{listens.join(' · ')}</span>
    </p>
  )
}

function at({ address, port }: Listener): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

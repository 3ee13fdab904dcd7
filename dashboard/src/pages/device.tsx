// One device: where it stands, its newest values and charts, its twin, what is asked of it, what it says, who it is let in as.
import { useComputed, useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { type DeviceDetail, loadDetail } from '../api/twin.ts'
import { may } from '../me.ts'
import { Activity } from '../parts/device/activity.ts'
import { CommandsSection } from '../parts/device/commands.tsx'
import { Connectivity } from '../parts/device/connectivity.tsx'
import { CredentialsSection } from '../parts/device/credentials.tsx'
import { useReading } from '../parts/device/reading.ts'
import { SessionSection } from '../parts/device/session.tsx'
import { LastRefusal, Silent, StatusLine } from '../parts/device/status.tsx'
import { Tail } from '../parts/device/tail.ts'
import { TailSection } from '../parts/device/tail-section.tsx'
import { TwinSection } from '../parts/device/twin.tsx'
import { Values } from '../parts/device/values.tsx'
import { ProblemNotice } from '../parts/notice.tsx'
import { spanOf, viewOf } from '../range.ts'
import { query } from '../router.ts'
import { epoch, fleet, hubNow, watch } from '../state.ts'

/** What the live socket does not carry (the connection, the last refusal) is read again this often. */
const againMs = 5_000
/** What happened is told by messages and commands that go by; the rest of it can wait. */
const eventsAgainMs = 15_000
const none = {}

export function DevicePage({ deviceId }: { deviceId: string }) {
  const device = useSignal<DeviceDetail | null>(null)
  const connected = useComputed(() => fleet.version.value >= 0 && fleet.find(deviceId)?.connected.value)

  // Before anything is read: what happens from here on comes by the socket.
  useEffect(() => {
    watch([deviceId])
    return () => watch([])
  }, [deviceId])

  const reading = useReading(`${deviceId} ${connected.value}`, againMs, async (abort) => {
    const found = await loadDetail(deviceId, abort)
    fleet.take(found)
    device.value = found
  })

  const entry = device.value === null ? undefined : fleet.find(deviceId)
  return (
    <>
      <div class="head">
        <h1>{entry === undefined || entry.name.value === deviceId ? <code>{deviceId}</code> : entry.name}</h1>
        {device.value === null || entry === undefined ? null : <StatusLine device={device.value} entry={entry} />}
      </div>
      {reading.problem.value === null ? null : <ProblemNotice problem={reading.problem.value} again={reading.again} />}
      {device.value === null ? null : <Sections device={device.value} isConnected={connected.value === true} again={reading.again} />}
    </>
  )
}

function Sections({ device, isConnected, again }: { device: DeviceDetail; isConnected: boolean; again: () => void }) {
  const { id } = device
  const activity = useMemo(() => new Activity(id), [id])
  const tail = useMemo(() => new Tail(id), [id])
  const range = query.value.toString()
  const events = useReading(`${id} ${isConnected} ${range}`, eventsAgainMs, (abort) => {
    const view = viewOf(query.peek())
    const { fromMs, toMs } = spanOf(view, hubNow())
    return activity.readEvents({ fromMs, toMs: view.is === 'still' ? toMs : undefined }, abort)
  })
  useEffect(() => tail.onMessage(events.again), [tail])

  // A hidden page asks the hub for nothing; shown again it begins anew, with the next epoch.
  useEffect(() => {
    if (epoch.value === 0) return
    const close = tail.open()
    const onVisibility = () => document.hidden && close()
    document.addEventListener('visibilitychange', onVisibility)
    return () => {
      document.removeEventListener('visibilitychange', onVisibility)
      close()
    }
  }, [tail, epoch.value])

  const entry = fleet.find(id)
  if (entry === undefined) return null
  return (
    <>
      <Connectivity activity={activity} />
      <Silent device={device} />
      <LastRefusal device={device} />
      <Values entry={entry} activity={activity} />
      {events.problem.value === null ? null : <ProblemNotice problem={events.problem.value} again={events.again} />}
      <TwinSection deviceId={id} tail={tail} />
      <CommandsSection deviceId={id} activity={activity} declared={device.holds.commands ?? none} />
      <TailSection deviceId={id} tail={tail} />
      <SessionSection device={device} onChanged={again} />
      {may('admin') ? <CredentialsSection deviceId={id} /> : null}
    </>
  )
}

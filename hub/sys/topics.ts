// Every topic below $SYS/broker that shows a number, and where the number comes from. The names are Mosquitto's (conventions 4.2), so that
// what people have built on them works here. Each is a plain counter that someone keeps anyway: nothing is counted by looking at all of it.
import type { Metrics } from '../metrics.ts'
import type { Router } from '../routing/router.ts'
import type { Sessions } from '../session/sessions.ts'

export interface SysSources {
  readonly metrics: Metrics
  readonly router: Router
  readonly sessions: Sessions
}

export interface Row {
  /** Below `$SYS/broker/`; the second is an older name of the first. */
  readonly topics: readonly string[]
  readonly of: (sources: SysSources) => number
}

const row = (topics: string | readonly string[], of: Row['of']): Row => ({ topics: typeof topics === 'string' ? [topics] : topics, of })

/** MQTT packet types by their number.  5: table 2-1 */
const types = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const
type PacketType = keyof typeof types

const received = (type: PacketType) => (sources: SysSources) => sources.metrics.packetsReceived[types[type]] as number
const sent = (type: PacketType) => (sources: SysSources) => sources.metrics.packetsSent[types[type]] as number
const sum = (packets: Float64Array) => packets.reduce((total, count) => total + count, 0)

const messagesReceived = row('messages/received', ({ metrics }) => sum(metrics.packetsReceived)) // packets of every type, in Mosquitto's words
const messagesSent = row('messages/sent', ({ metrics }) => sum(metrics.packetsSent))
const bytesReceived = row('bytes/received', ({ metrics }) => metrics.bytesReceived)
const bytesSent = row('bytes/sent', ({ metrics }) => metrics.bytesSent)
const publishDropped = row(['publish/messages/dropped', 'mqtt/publish/dropped'], ({ metrics }) => metrics.messagesDropped)
const publishReceived = row(['publish/messages/received', 'mqtt/publish/received'], received('publish'))
const publishSent = row(['publish/messages/sent', 'mqtt/publish/sent'], sent('publish'))
const sockets = row('connections/socket/count', ({ metrics }) => metrics.connectionsOpened)
const connects = row('mqtt/connect/received', received('connect'))

/** What a client sends, and what the hub does: PUBLISH and CONNECT stand above. */
const fromClients: readonly PacketType[] = [
  'puback',
  'pubrec',
  'pubrel',
  'pubcomp',
  'subscribe',
  'unsubscribe',
  'pingreq',
  'disconnect',
  'auth',
]
const fromHub: readonly PacketType[] = ['connack', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback', 'pingresp', 'disconnect']

export const rows: readonly Row[] = [
  row('clients/total', ({ sessions }) => sessions.count),
  row('clients/maximum', ({ sessions }) => sessions.countMax),
  row(['clients/connected', 'clients/active'], ({ sessions }) => sessions.online),
  row(['clients/disconnected', 'clients/inactive'], ({ sessions }) => sessions.count - sessions.online),
  row('clients/expired', ({ sessions }) => sessions.expired),
  row(['messages/stored', 'store/messages/count'], ({ router }) => router.retained.count),
  row('store/messages/bytes', ({ router }) => router.retained.bytes),
  row('subscriptions/count', ({ router }) => router.tree.size),
  row('shared_subscriptions/count', ({ router }) => router.tree.sharedSize),
  row('retained messages/count', ({ router }) => router.retained.count), // the space is Mosquitto's
  messagesReceived,
  messagesSent,
  bytesReceived,
  bytesSent,
  publishDropped,
  publishReceived,
  publishSent,
  sockets,
  connects,
  ...fromClients.map((type) => row(`mqtt/${type}/received`, received(type))),
  ...fromHub.map((type) => row(`mqtt/${type}/sent`, sent(type))),
]

/** The counters whose rate is averaged, by the name below `load/`. */
export const loads: readonly { readonly name: string; readonly of: Row['of'] }[] = [
  { name: 'messages/received', of: messagesReceived.of },
  { name: 'messages/sent', of: messagesSent.of },
  { name: 'publish/dropped', of: publishDropped.of },
  { name: 'publish/received', of: publishReceived.of },
  { name: 'publish/sent', of: publishSent.of },
  { name: 'bytes/received', of: bytesReceived.of },
  { name: 'bytes/sent', of: bytesSent.of },
  { name: 'sockets', of: sockets.of },
  { name: 'connections', of: connects.of },
]

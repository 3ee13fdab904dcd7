// ThingsBoard's MQTT API for devices and gateways: telemetry is telemetry, client attributes are the reported state, shared attributes the desired
// one, a server-side RPC is a command, a client-side RPC a call.
import { type DeviceId, isDeviceId, isObject } from '../device.ts'
import {
  answerTopic,
  callTopic,
  childTopic,
  commandTopic,
  desiredTopic,
  type Meaning,
  mainTwin,
  replyTopic,
  reportedTopic,
  telemetryTopic,
} from '../topics.ts'
import type { ForeignDialect, Said, Speaker, Written } from './dialect.ts'

const [device, gateway] = ['v1/devices/me/', 'v1/gateway/']
const [request, response] = ['rpc/request/', 'rpc/response/']
const deviceIdForm = 'letters, digits or . _ : @ -'
const noSuchTopic = 'there is no such topic for what comes up'
const decoder = new TextDecoder()
const encoder = new TextEncoder()

type Json = Readonly<Record<string, unknown>>
/** What goes down. */
type Downward = Extract<Meaning, { readonly is: 'desired' | 'command' | 'answer' }>

export const thingsboard: ForeignDialect = {
  name: 'thingsboard',
  isOf: (topic) => topic.startsWith(device) || topic.startsWith(gateway),
  meaningOf: () => ({ is: 'spoken', dialect: thingsboard }),

  filterOf(filter, me) {
    switch (filter) {
      case `${device}attributes`:
        return desiredTopic(me, mainTwin)
      case `${device}${request}+`:
        return commandTopic(me, '+')
      case `${device}${response}+`:
        return answerTopic(me, '+')
      case `${gateway}attributes`:
        return desiredTopic('+', mainTwin)
      case `${gateway}rpc`:
        return commandTopic('+', '+')
      default:
        return undefined
    }
  },

  read(topic, payload, speaker) {
    if (topic.startsWith(device)) return readOfDevice(topic.slice(device.length), payload, speaker)
    return readOfGateway(topic.slice(gateway.length), jsonIn(payload), speaker)
  },

  write(meaning, payload, speaker) {
    if (meaning.is !== 'desired' && meaning.is !== 'command' && meaning.is !== 'answer') return undefined
    if (meaning.is === 'desired' && meaning.twin !== mainTwin) return undefined
    const said = jsonIn(payload)
    if (!isObject(said)) return undefined
    return meaning.deviceId === speaker.me ? writeToDevice(meaning, said, speaker) : writeToGateway(meaning, said, speaker)
  },
}

function readOfDevice(kind: string, payload: Uint8Array, { me, numbers }: Speaker): readonly Said[] | string {
  if (kind === 'telemetry') return [{ topic: telemetryTopic(me) }] // the same payloads
  if (kind === 'attributes') return [{ topic: reportedTopic(me, mainTwin) }]
  if (kind.startsWith(response)) return replied(me, numbers.nameOf(me, kind.slice(response.length)), jsonOrText(payload))
  const id = kind.slice(request.length)
  if (!kind.startsWith(request) || id === '' || id.includes('/')) return noSuchTopic
  const call = jsonIn(payload)
  if (!isObject(call) || typeof call['method'] !== 'string') return 'a request is {"method":"…","params":…}'
  return [{ topic: callTopic(me, id), payload: bytesOf({ name: call['method'], params: call['params'] }) }]
}

function readOfGateway(kind: string, said: unknown, { me, numbers }: Speaker): readonly Said[] | string {
  if (!isObject(said)) return 'a gateway says a JSON object'
  if (kind === 'telemetry') return ofEach(said, telemetryTopic)
  if (kind === 'attributes') return ofEach(said, (name) => reportedTopic(name, mainTwin))
  const { device: child, id, data } = said
  if (!['connect', 'disconnect', 'rpc'].includes(kind)) return noSuchTopic
  if (typeof child !== 'string' || !isDeviceId(child)) return `device is the id of a device here: ${deviceIdForm}`
  if (kind === 'rpc') return replied(child, numbers.nameOf(child, `${id}`), data)
  return [{ topic: childTopic(me, child), payload: encoder.encode(kind === 'connect' ? 'online' : 'offline') }]
}

function ofEach(said: Json, topicOf: (device: DeviceId) => string): readonly Said[] | string {
  const names = Object.keys(said)
  if (!names.every(isDeviceId)) return `its members are ids of devices here: ${deviceIdForm}`
  return names.map((name) => ({ topic: topicOf(name), payload: bytesOf(said[name]) }))
}

function replied(of: DeviceId, commandId: string | undefined, result: unknown): readonly Said[] | string {
  if (commandId === undefined) return 'there is no request of this number, or not any more'
  return [{ topic: replyTopic(of, commandId), payload: bytesOf({ status: 'done', result }) }]
}

function writeToDevice(meaning: Downward, said: Json, { me, numbers }: Speaker): Written {
  switch (meaning.is) {
    case 'desired':
      return written(`${device}attributes`, stateIn(said))
    case 'command':
      return written(`${device}${request}${numbers.of(me, meaning.commandId)}`, requestIn(said))
    case 'answer':
      return written(`${device}${response}${meaning.callId}`, 'result' in said ? said['result'] : said)
  }
}

/** Children ask nothing themselves. */
function writeToGateway(meaning: Downward, said: Json, { numbers }: Speaker): Written | undefined {
  const { deviceId } = meaning
  if (meaning.is === 'desired') return written(`${gateway}attributes`, { device: deviceId, data: stateIn(said) })
  if (meaning.is === 'answer') return undefined
  const id = numbers.of(deviceId, meaning.commandId)
  return written(`${gateway}rpc`, { device: deviceId, data: { id, ...requestIn(said) } })
}

function requestIn({ name, params }: Json): object {
  return { method: name, params: params ?? {} }
}

/** The state alone: the hub says it beside its version. */
function stateIn(said: Json): unknown {
  return 'state' in said ? said['state'] : said
}

function written(topic: string, value: unknown): Written {
  return { topic, payload: bytesOf(value) }
}

function bytesOf(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value) ?? 'null')
}

/** Undefined when it is no JSON. */
function jsonIn(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(payload))
  } catch {
    return undefined
  }
}

function jsonOrText(payload: Uint8Array): unknown {
  const said = jsonIn(payload)
  return said === undefined ? decoder.decode(payload) : said
}

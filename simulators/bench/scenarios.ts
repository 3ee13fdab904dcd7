// What is measured. The words are those of the table the bench prints.
import type { EchoOptions } from './echo.ts'
import type { LatencyOptions } from './latency.ts'
import type { LoadOptions } from './load.ts'
import { descriptorsMax } from './proc.ts'
import type { Door, Server } from './servers.ts'
import type { StreamOptions } from './stream.ts'

export interface Scenario {
  readonly says: string
  /** What one message of the table is. */
  readonly unit: 'message' | 'delivery' | 'line' | 'connection'
  readonly door: Door
  /** Undefined: this server cannot do it. */
  load(server: Server, isQuick: boolean): LoadOptions | undefined
}

/** Descriptors that a server needs beside its connections: files, pipes, threads. */
const descriptorsSpare = 300

export const scenarios = {
  'window-16': ingest('QoS 1, 1000 connections, 16 under way each', { qos: 1, window: 16 }),
  'window-1': ingest('QoS 1, 1000 connections, each waits for its PUBACK', { qos: 1, window: 1 }),
  'qos-0': ingest('QoS 0, 1000 connections', { qos: 0, window: 128 }),
  'open-loop': ingest('QoS 1, 1000 connections, 20,000 messages/s', { qos: 1, window: 64, rate: 20_000 }),
  idle: idle('MQTT connections that say nothing', 'mqtt', 'mqtt'),
  'fan-out': {
    says: 'QoS 0, 1 publisher to 1000 subscribers, 8 under way',
    unit: 'delivery',
    door: 'mqtt',
    load: ({ port, pid }, isQuick) => ({
      ...{ mode: 'fan-out', port, pid, transport: 'tcp', subscribers: 1000, window: 8 },
      ...times(isQuick),
    }),
  },
  'websocket-16': ingest('QoS 1 over WebSocket, 1000 connections, 16 under way each', { qos: 1, window: 16 }, 'websocket'),
  'idle-tls': idle('MQTT connections over TLS that say nothing', 'mqtts', 'mqtts'),
  'idle-json': idle('WebSockets that say nothing: a JSON session with one subscription, else a plain one', 'socket', 'socket'),
  'idle-sse': idle('server-sent events of one filter, nothing to send', 'http', 'events'),
  'idle-poll': idle('long-polls of one filter that are held', 'http', 'poll'),
  'json-1': echo('text over WebSocket that comes back, 1000 connections, 1 under way each', 1),
  'json-16': echo('text over WebSocket that comes back, 1000 connections, 16 under way each', 16),
  'json-broadcast': {
    says: 'text over WebSocket, 1 publisher to 1000 subscribers, 8 under way',
    unit: 'delivery',
    door: 'socket',
    load: ({ port, pid, speaks }, isQuick) => ({
      ...{ mode: 'broadcast', port, pid, speaks, subscribers: 1000, window: 8 },
      ...times(isQuick),
    }),
  },
  ndjson: streams('readings as NDJSON, 100 open streams, 2,000 lines under way each', 'readings'),
  'ndjson-frames': streams('publish frames as NDJSON, 100 open streams, 2,000 lines under way each', 'frames'),
  'json-latency': latency('a message at QoS 1 from MQTT to a JSON session over WebSocket, 20 a second', 'socket'),
  'sse-latency': latency('a message at QoS 1 from MQTT to server-sent events, 20 a second', 'events'),
  'poll-latency': latency('a message at QoS 1 from MQTT to a long-poll, 20 a second', 'poll'),
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios

export function isScenarioName(text: string): text is ScenarioName {
  return Object.hasOwn(scenarios, text)
}

export function doorOf(name: ScenarioName): Door {
  return scenarios[name].door
}

export function loadFor(name: ScenarioName, server: Server, isQuick: boolean): LoadOptions | undefined {
  const scenario: Scenario = scenarios[name]
  return scenario.load(server, isQuick)
}

function ingest(
  says: string,
  shape: { readonly qos: 0 | 1; readonly window: number; readonly rate?: number },
  transport: 'tcp' | 'websocket' = 'tcp',
): Scenario {
  return {
    says,
    unit: 'message',
    door: transport === 'tcp' ? 'mqtt' : 'mqtt-websocket',
    load: ({ port, pid }, isQuick) => ({ mode: 'ingest', port, pid, ...shape, transport, connections: 1000, ...times(isQuick) }),
  }
}

function idle(says: string, door: Door, wire: 'mqtt' | 'mqtts' | 'socket' | 'events' | 'poll'): Scenario {
  return {
    says: `${says}: 10,000, or as many as there are descriptors`,
    unit: 'connection',
    door,
    load: ({ port, pid, ca, speaks }, isQuick) => ({
      mode: 'idle',
      port,
      pid,
      wire: wire === 'socket' && speaks === 'mooring.json' ? 'session' : wire,
      ...(ca === undefined ? {} : { ca }),
      connections: Math.min(isQuick ? 5000 : 10_000, descriptorsMax() - descriptorsSpare),
      holdSeconds: isQuick ? 2 : 5,
    }),
  }
}

function echo(says: string, window: EchoOptions['window']): Scenario {
  return {
    says,
    unit: 'message',
    door: 'socket',
    load: ({ port, pid, speaks }, isQuick) => ({ mode: 'echo', port, pid, speaks, connections: 1000, window, ...times(isQuick) }),
  }
}

function streams(says: string, lines: StreamOptions['lines']): Scenario {
  return {
    says,
    unit: 'line',
    door: 'http',
    load: ({ port, pid }, isQuick) => ({ mode: 'stream', port, pid, lines, streams: 100, window: 2000, ...times(isQuick) }),
  }
}

function latency(says: string, wire: LatencyOptions['wire']): Scenario {
  return {
    says,
    unit: 'message',
    door: wire === 'socket' ? 'socket' : 'http',
    load: ({ port, pid, mqttPort }, isQuick) =>
      mqttPort === undefined ? undefined : { mode: 'latency', port, mqttPort, pid, wire, messages: isQuick ? 100 : 500, perSecond: 20 },
  }
}

function times(isQuick: boolean): { warmUpSeconds: number; seconds: number } {
  return isQuick ? { warmUpSeconds: 0.7, seconds: 1 } : { warmUpSeconds: 1.5, seconds: 2.5 }
}

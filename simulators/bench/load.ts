// The load generator's process: `node load.ts '{"mode":"ingest", …}'` runs one load against one server and prints one line of JSON.
// The fields are those of the `…Options` of its mode. It ends by itself, at the latest after five minutes.
import { type EchoOptions, echo } from './echo.ts'
import { type BroadcastOptions, broadcast, type FanOutOptions, fanOut } from './fan-out.ts'
import { type Guessed, type GuessOptions, guess } from './guess.ts'
import { type Held, type IdleOptions, idle } from './idle.ts'
import { type IngestOptions, ingest } from './ingest.ts'
import { type LatencyOptions, latency } from './latency.ts'
import type { Measured } from './measurement.ts'
import { type StreamOptions, stream } from './stream.ts'

export type LoadOptions =
  | IngestOptions
  | FanOutOptions
  | BroadcastOptions
  | EchoOptions
  | StreamOptions
  | LatencyOptions
  | IdleOptions
  | GuessOptions
export type Outcome = Measured | Held | Guessed

setTimeout(() => {
  console.error('load: five minutes are over.')
  process.exit(1)
}, 300_000).unref()

const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions
const outcome = await run(options)
// The callback: an exit right after the write could cut the line off on a pipe.
process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(outcome.clean ? 0 : 2))

function run(load: LoadOptions): Promise<Outcome> {
  switch (load.mode) {
    case 'ingest':
      return ingest(load)
    case 'fan-out':
      return fanOut(load)
    case 'broadcast':
      return broadcast(load)
    case 'echo':
      return echo(load)
    case 'stream':
      return stream(load)
    case 'latency':
      return latency(load)
    case 'idle':
      return idle(load)
    case 'guess':
      return guess(load)
    default:
      throw new Error('load takes a JSON object whose mode is one of those in load.ts.', { cause: load satisfies never })
  }
}

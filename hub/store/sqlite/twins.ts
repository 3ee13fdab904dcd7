// Twins on the event loop: what is asked goes to the reader thread, changes to the writer's, and what it tells to whoever listens.
import type { DeviceId } from '../../../devices/device.ts'
import type {
  DesiredChange,
  DesiredOutcome,
  DesiredState,
  Twin,
  TwinChange,
  TwinDifference,
  TwinInList,
  TwinState,
  TwinSteps,
  Twins,
} from '../twins.ts'
import type { ReaderFunctions } from './reader.ts'
import type { Thread } from './thread.ts'
import type { WriterFunctions } from './writer-functions.ts'

export class SqliteTwins implements Twins {
  readonly #writer: Thread<WriterFunctions>
  readonly #reader: Thread<ReaderFunctions>
  readonly #listeners: ((changes: readonly TwinChange[]) => void)[] = []

  constructor(writer: Thread<WriterFunctions>, reader: Thread<ReaderFunctions>) {
    this.#writer = writer
    this.#reader = reader
  }

  read(device: DeviceId, twin: string): Promise<Twin | undefined> {
    return this.#reader.call('twin', [device, twin])
  }

  list(device: DeviceId): Promise<readonly TwinInList[]> {
    return this.#reader.call('twins', [device])
  }

  at(device: DeviceId, twin: string, ms: number): Promise<TwinState | undefined> {
    return this.#reader.call('twinAt', [device, twin, ms])
  }

  versions(device: DeviceId, twin: string, before: number, limit: number): Promise<TwinSteps> {
    return this.#reader.call('twinVersions', [device, twin, before, limit])
  }

  difference(device: DeviceId, twin: string, fromMs: number, toMs: number): Promise<TwinDifference | undefined> {
    return this.#reader.call('twinDifference', [device, twin, fromMs, toMs])
  }

  desired(asked: Parameters<Twins['desired']>[0]): Promise<readonly DesiredState[]> {
    return this.#reader.call('desired', [asked])
  }

  change(change: DesiredChange): Promise<Twin> {
    return this.#writer.call('changeTwin', [change])
  }

  changeAll(changes: readonly DesiredChange[]): Promise<readonly DesiredOutcome[]> {
    return this.#writer.call('changeTwins', [changes])
  }

  remove(device: DeviceId, twin: string, ifVersion: number | undefined): Promise<boolean> {
    return this.#writer.call('removeTwin', [device, twin, ifVersion])
  }

  onChange(listener: (changes: readonly TwinChange[]) => void): void {
    this.#listeners.push(listener)
  }

  /** The writer says so. */
  tell(changes: readonly TwinChange[]): void {
    for (const listener of this.#listeners) listener(changes)
  }
}

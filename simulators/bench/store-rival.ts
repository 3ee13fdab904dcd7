// What the bench asks of a store that it compares. One file per rival implements it.
import type { CpuReading } from './proc.ts'
import type { Dataset } from './store-data.ts'
import type { Answers, Question } from './store-questions.ts'

export interface Rival {
  /** The program and its version. */
  readonly version: string
  /** User and system time of all of its processes and threads. */
  readCpu(): CpuReading
  /** Resolves once the store has said of every point that it is on disk. */
  write(dataset: Dataset): Promise<void>
  /** Does what the store puts off: sealing, checkpoints, statistics. It is part of what a point costs. */
  finish(): Promise<void>
  /** Points it says it holds, and what they take on disk with their indexes. */
  size(): Promise<Size>
  /** Resolves once the values are in the memory of whoever asked. */
  ask<Q extends Question>(question: Q, dataset: Dataset): Promise<Answers[Q['is']]>
  /** Ends its processes; the folder is removed by who made it. */
  stop(): Promise<void>
}

export interface Size {
  readonly points: number
  readonly bytes: number
  /** Where the store itself tells them apart: what the bytes are, and what lies beside them. */
  readonly parts: Readonly<Record<string, number>>
}

/** In SQL a chart is the lowest and the highest value of each of so many columns. */
export const chartColumns = 1000

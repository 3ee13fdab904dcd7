// What Linux tells about a process: CPU time, threads, memory (proc(5)). Empty or zero elsewhere: the bench then shows rates only.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** CPU seconds, user and system, since the process began. */
export interface CpuReading {
  readonly seconds: number
  /** By thread number: a name is not unique. Threads that have ended are only in `seconds`. */
  readonly threads: ReadonlyMap<string, { readonly name: string; readonly seconds: number }>
}

const ticksPerSecond = 100 // USER_HZ; the same on every Linux that Node runs on

export function readCpu(pid: number): CpuReading {
  const threads = new Map<string, { name: string; seconds: number }>()
  for (const thread of entriesOf(`/proc/${pid}/task`)) {
    const stat = statOf(`/proc/${pid}/task/${thread}/stat`)
    if (stat) threads.set(thread, { name: stat.name, seconds: stat.seconds })
  }
  return { seconds: statOf(`/proc/${pid}/stat`)?.seconds ?? 0, threads }
}

/** The same of a process and its children, each child as a thread; the time of children that have ended is that of who waited for them. */
export function readTreeCpu(pid: number): CpuReading {
  const threads = new Map<string, { name: string; seconds: number }>()
  const children = textOf(`/proc/${pid}/task/${pid}/children`).split(' ')
  for (const member of [String(pid), ...children.filter((child) => child !== '')]) {
    const stat = statOf(`/proc/${member}/stat`)
    if (stat) threads.set(member, { name: stat.name, seconds: stat.seconds + stat.waitedForSeconds })
  }
  return { seconds: [...threads.values()].reduce((sum, { seconds }) => sum + seconds, 0), threads }
}

/** CPU seconds from one reading to a later one, by thread name, the busiest first. */
export function threadSeconds(before: CpuReading, after: CpuReading): Record<string, number> {
  const spent = new Map<string, number>()
  for (const [thread, { name, seconds }] of after.threads) {
    spent.set(name, (spent.get(name) ?? 0) + seconds - (before.threads.get(thread)?.seconds ?? 0))
  }
  return Object.fromEntries([...spent].filter(([, seconds]) => seconds >= 0.01).sort(([, a], [, b]) => b - a))
}

/**
 * Waits until a process has nothing left to do: less than 2 % of a core over 300 ms. Work that a server puts off belongs to the
 * messages that caused it. False when it still works after 10 s.
 */
export function settled(pid: number): Promise<boolean> {
  return atRest(() => readCpu(pid))
}

/** The same for whatever `read` reads. */
export async function atRest(read: () => CpuReading): Promise<boolean> {
  const deadlineMs = performance.now() + 10_000
  for (let before = read().seconds; performance.now() < deadlineMs; ) {
    await sleep(300)
    const now = read().seconds
    if (now - before < 0.006) return true
    before = now
  }
  return false
}

/** Memory of the process, each shared page counted in proportion; the kernel's socket buffers are not in it. */
export function pssBytes(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1]
  return Number(kilobytes ?? 0) * 1024
}

/** Seconds that all cores together were busy, and how much of it a hypervisor took away. */
export function readMachine(): { busySeconds: number } {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (/^cpu +(.*)$/m.exec(textOf('/proc/stat'))?.[1] ?? '')
    .split(' ')
    .map(Number)
  return { busySeconds: (user + nice + system + irq + softirq + steal) / ticksPerSecond }
}

/** Descriptors one process may open here. */
export function descriptorsMax(): number {
  return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(textOf('/proc/self/limits'))?.[1] ?? 1024)
}

function statOf(path: string): { name: string; seconds: number; waitedForSeconds: number } | undefined {
  const text = textOf(path)
  const nameEnd = text.lastIndexOf(')') // a name may hold blanks and parentheses
  if (nameEnd === -1) return undefined
  const fields = text.slice(nameEnd + 2).split(' ') // from field 3, the state; utime, stime, cutime and cstime are fields 14 to 17
  const [user = 0, system = 0, waitedForUser = 0, waitedForSystem = 0] = fields.slice(11, 15).map(Number)
  return {
    name: text.slice(text.indexOf('(') + 1, nameEnd),
    seconds: (user + system) / ticksPerSecond,
    waitedForSeconds: (waitedForUser + waitedForSystem) / ticksPerSecond,
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // a thread may end between the listing and the reading
  }
}

function entriesOf(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

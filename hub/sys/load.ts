// The load of the last 1, 5 and 15 minutes, per minute: exponential averages, as Unix has them.

/** The three windows: the last word of the topic, and seconds. */
export const windows = [
  { name: '1min', seconds: 60 },
  { name: '5min', seconds: 300 },
  { name: '15min', seconds: 900 },
] as const

/**
 * The averages of one counter.
 *
 * With `now` the rate since the last update, in events per minute, each average becomes `now + exp(-seconds / window) * (average - now)`.
 * Source: `calc_load` and `sys_tree__update` in src/sys_tree.c of Eclipse Mosquitto, so that a dashboard made for one reads the other.
 */
export class Load {
  /** In the order of `windows`. */
  readonly averages: number[] = windows.map(() => 0)
  #last = 0

  /** `total` is the counter as it stands, `seconds` the time since the last update, never 0. */
  update(total: number, seconds: number): void {
    const perMinute = ((total - this.#last) * 60) / seconds
    this.#last = total
    for (const [at, window] of windows.entries()) {
      const before = this.averages[at] as number
      this.averages[at] = perMinute + Math.exp(-seconds / window.seconds) * (before - perMinute)
    }
  }
}

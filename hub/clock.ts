// Time, behind an interface so that tests can turn it by hand.

export interface Clock {
  /** Wall clock, Unix ms: for stamps, certificates and tokens only. It may jump. */
  now(): number
  /** Ms since some fixed moment: for keep-alive, timeouts and expiry. It never jumps. */
  monotonic(): number
  /** Unix ms that never jump: the wall clock as it stood at the start, and what has passed since. For moments that outlive the process. */
  steady(): number
  /** Calls `tick` again and again until the returned function is called. Does not keep the process alive. */
  every(ms: number, tick: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  steady: () => performance.timeOrigin + performance.now(),
  every(ms, tick) {
    const timer = setInterval(tick, ms)
    timer.unref()
    return () => clearInterval(timer)
  },
}

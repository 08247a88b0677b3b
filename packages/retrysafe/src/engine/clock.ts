/** Reads time. The engine never asks the platform itself, so that a simulation can own time. */
export interface Clock {
  /** Milliseconds since the epoch; may jump when the operator sets it. */
  wallMs(): number
  /** Milliseconds from an arbitrary start; never goes back, may stand still while the machine sleeps. */
  monotonicMs(): number
}

/** A timer that was started; `cancel` is safe to call at any time and any number of times. */
export interface Timer {
  cancel(): void
}

export interface Timers {
  /** Calls `run` once, `delayMs` (0 to 2^31 - 1) from now. */
  after(delayMs: number, run: () => void): Timer
}

export interface Random {
  /** @param length bytes, cryptographically strong */
  bytes(length: number): Uint8Array
  /** A number in [0, 1), for jitter only. */
  unit(): number
}

/** What a process has and a simulation replaces. */
export interface Surroundings {
  clock: Clock
  timers: Timers
  random: Random
}

/**
 * Waits for `promise`, at most `maxMs` and at most until `signal` fires; then answers `undefined`. Made by hand: an
 * AbortController for each call would cost more than the call.
 */
export function within<Value>(
  promise: Promise<Value>,
  timers: Timers,
  maxMs: number,
  signal?: AbortSignal,
): Promise<Value | undefined> {
  return new Promise((resolve, reject) => {
    const over = (): void => finish(() => resolve(undefined))
    const timer = timers.after(maxMs, over)
    function finish(tell: () => void): void {
      timer.cancel()
      signal?.removeEventListener('abort', over)
      tell()
    }
    signal?.addEventListener('abort', over)
    if (signal?.aborted) over()
    promise.then(
      value => finish(() => resolve(value)),
      error => finish(() => reject(error)),
    )
  })
}

/** Resolves after `delayMs`, or as soon as `signal` fires (without an error: the caller looks at its signal). */
export function pause(timers: Timers, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) return resolve()
    const done = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = timers.after(delayMs, done)
    signal?.addEventListener('abort', done, { once: true })
  })
}

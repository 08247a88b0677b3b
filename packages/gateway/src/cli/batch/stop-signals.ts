/** What the signals of an operator ask of a batch. */
export interface StopSignals {
  /** Fires at the first one: nothing new is begun. */
  readonly signal: AbortSignal
  close(): void
}

const names = ['SIGINT', 'SIGTERM'] as const

/**
 * The first signal asks for an end in good order, the second one ends the process at once: the next run then finds out
 * what became of what was in flight.
 */
export function listenForSignals(tell: (message: string) => void): StopSignals {
  const controller = new AbortController()
  const hear = (): void => {
    if (controller.signal.aborted) process.exit(1)
    tell('stopping: what is in flight is finished and recorded; again to end at once')
    controller.abort()
  }
  for (const name of names) process.on(name, hear)
  return {
    signal: controller.signal,
    close() {
      for (const name of names) process.off(name, hear)
    },
  }
}

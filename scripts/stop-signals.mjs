import { constants } from 'node:os'

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP']
// A terminal's Ctrl-C comes twice: from the terminal, and from npm, which passes on what it gets itself.
const echoMs = 300

/**
 * Calls `onStop(signal)` whenever this process is told to stop, once for each time that somebody means it.
 * Under npm the loss of the parent counts as SIGTERM: there is nobody left who could pass a signal on.
 * Answers with a function that ends it.
 */
export function onStopSignals(onStop) {
  let lastMs = Number.NEGATIVE_INFINITY
  const stop = signal => {
    const isEcho = performance.now() - lastMs < echoMs
    lastMs = performance.now()
    if (!isEcho) onStop(signal)
  }
  for (const signal of stopSignals) process.on(signal, stop)
  const timer = process.env.npm_lifecycle_event ? watchParent(() => stop('SIGTERM')) : undefined
  return () => {
    clearInterval(timer)
    for (const signal of stopSignals) process.off(signal, stop)
  }
}

/** The exit code by which a shell would tell that `signal` ended a process. */
export const exitCodeOf = signal => 128 + constants.signals[signal]

// A shell between npm and us may die of the SIGTERM that npm meant for us.
function watchParent(onGone) {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    onGone()
  }, 500)
  return timer.unref()
}

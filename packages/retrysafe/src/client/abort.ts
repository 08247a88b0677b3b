/** What is to be done once a signal fires. */
interface Watch {
  readonly acts: Set<() => void>
  readonly fire: () => void
}

const watches = new WeakMap<AbortSignal, Watch>()

/**
 * Acts when the signal fires, until the returned function is called. One listener for all calls that share a signal:
 * Node takes more than ten for a leak, and says so.
 */
export function onAbort(signal: AbortSignal, act: () => void): () => void {
  const watch = watches.get(signal) ?? beginWatch(signal)
  watch.acts.add(act)
  return () => {
    watch.acts.delete(act)
    if (watch.acts.size > 0) return
    signal.removeEventListener('abort', watch.fire)
    if (watches.get(signal) === watch) watches.delete(signal)
  }
}

function beginWatch(signal: AbortSignal): Watch {
  const acts = new Set<() => void>()
  const fire = (): void => {
    for (const act of acts) act()
  }
  const watch = { acts, fire }
  watches.set(signal, watch)
  signal.addEventListener('abort', fire)
  return watch
}

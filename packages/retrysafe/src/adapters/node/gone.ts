import type { Outlet } from './response.ts'

const signals = new WeakMap<object, AbortSignal>()

/** Fires when the caller has left, or has been answered. */
export function goneSignal(response: Outlet): AbortSignal {
  const known = signals.get(response)
  if (known !== undefined) return known
  const gone = new AbortController()
  signals.set(response, gone.signal)
  if (response.destroyed) gone.abort()
  else response.on('close', () => gone.abort())
  return gone.signal
}

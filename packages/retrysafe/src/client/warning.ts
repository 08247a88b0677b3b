import type { FetchRules } from './options.ts'

type Platform = { process?: { emitWarning?: (message: string, type: string) => void }; console?: Pick<Console, 'warn'> }

/** Whoever only listens changes nothing, also where it fails later: a rejection that nobody takes ends a process. */
export function tellListener<Told>(listener: (told: Told) => unknown, told: Told): void {
  try {
    Promise.resolve(listener(told)).catch(() => {})
  } catch {
    // It only listens.
  }
}

/** Tells the developer, by whatever the platform has for it. */
export function warn({ onWarning }: FetchRules, message: string): void {
  const { process, console } = globalThis as Platform
  if (onWarning !== undefined) return tellListener(onWarning, message)
  try {
    if (process?.emitWarning !== undefined) process.emitWarning(message, 'RetrysafeWarning')
    else console?.warn(`RetrysafeWarning: ${message}`)
  } catch {
    // It was only a warning.
  }
}

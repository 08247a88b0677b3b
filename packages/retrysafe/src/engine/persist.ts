import { pause, type Surroundings } from './clock.ts'

const firstDelayMs = 100
const lastDelayMs = 5_000

/**
 * Repeats a write that came after an effect until the store has answered: giving it up would free a key whose effect
 * has happened. Every step may be sent twice, so repeating is safe.
 *
 * @param signal ends the repeating when the process is going away; then the crash policy decides
 * @returns what the store said, or `undefined` after `signal`
 */
export function persist<Answer>(
  write: () => Promise<Answer>,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  return write().catch(() => repeat(write, surroundings, signal))
}

async function repeat<Answer>(
  write: () => Promise<Answer>,
  { timers, random }: Surroundings,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, lastDelayMs)) {
    await pause(timers, delayMs * (0.5 + random.unit() / 2), signal)
    if (signal.aborted) return undefined
    try {
      return await write()
    } catch {
      // Again, after a longer pause.
    }
  }
}

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
export async function persist<Answer>(
  write: () => Promise<Answer>,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, lastDelayMs)) {
    try {
      return await write()
    } catch {
      await pause(surroundings.timers, delayMs * (0.5 + surroundings.random.unit() / 2), signal)
      if (signal.aborted) return undefined
    }
  }
}

import { setTimeout as pause } from 'node:timers/promises'

const withinMs = 30_000

/**
 * Resolves when `isMet` says so; what it throws counts as no. Also for programs that are no tests; tests have
 * eventually.ts.
 *
 * @throws {Error} it was not within 30 s: `what` says what should have been, the cause what was thrown last
 */
export async function waitUntil(what: string, isMet: () => Promise<boolean>): Promise<void> {
  const lateMs = performance.now() + withinMs
  let cause: unknown
  const look = (): Promise<boolean> =>
    isMet().catch(error => {
      cause = error
      return false
    })
  while (!(await look())) {
    if (performance.now() > lateMs) throw new Error(`${what}: not within ${withinMs} ms`, { cause })
    await pause(20)
  }
}

/** A field of what INFO and CLUSTER INFO answer; undefined where there is none of that name. */
export function fieldOf(info: unknown, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(String(info))?.[1]
}

import type { KitHarness } from './harness.ts'
import type { Trial } from './trial.ts'

/** What a case needs beyond a store, and what is said where a harness does not give it. */
const needReasons = {
  transactions: 'the harness gives no transactions: a store that is not transactional has none',
  openAgain: 'the harness opens no second handle: a store of one process has none',
  jumpWall: 'the harness moves no wall clock alone: the store keeps one clock',
  alone: 'the data is shared: the case counts the whole store',
} as const

export interface KitCase {
  /** Begins with the invariant it covers, where there is one. */
  readonly name: string
  /** How much time the case lets pass, in ms. */
  readonly needsMs?: number
  /** Knows by itself what a real clock's own progress may have decided. */
  readonly keepsTime?: boolean
  readonly needs?: keyof typeof needReasons
  run(trial: Trial): Promise<void>
}

/** Why this harness cannot run the case, if so. */
export function hindrance({ needs, needsMs = 0 }: KitCase, harness: KitHarness): string | undefined {
  if (needs !== undefined) {
    const given = needs === 'alone' ? harness.shared !== true : harness[needs] !== undefined
    if (!given) return needReasons[needs]
  }
  if (needsMs <= harness.maxPassMs) return undefined
  return `needs ${needsMs} ms to pass, the harness can let pass ${harness.maxPassMs} ms`
}

import { answerTraps } from './traps/answers.ts'
import { claimTraps } from './traps/claims.ts'
import type { Trap } from './traps/trap.ts'

/** The 25 traps of the field, as far as requests can show them. */
export const traps: readonly Trap[] = [...claimTraps, ...answerTraps]

/** A trap below HTTP, and the test that shows it, by file and name. */
interface Elsewhere {
  readonly number: number
  readonly file: string
  readonly name: string
  /** The store, among packages/retrysafe/test/store-testkit/broken-stores.ts, that falls into it and fails that test. */
  readonly brokenStore?: string
}

export const shownElsewhere: readonly Elsewhere[] = [
  {
    number: 2,
    file: 'test/e2e/gateway-crash-takeover.test.ts',
    name: 'rerun: who waits in another gateway takes over, and runs once',
  },
  {
    number: 3,
    file: 'packages/retrysafe/src/store-testkit/cases/takeover.ts',
    name: 'I6 a zombie is told lost after its successor completed, was released or freed the key',
    brokenStore: 'I6: complete and release do not look at the token',
  },
  {
    number: 4,
    file: 'packages/retrysafe/src/store-testkit/cases/concurrent.ts',
    name: 'I1 of many takeovers at once exactly one is acquired',
    brokenStore: 'I1: a takeover takes what has come since it looked',
  },
  {
    number: 5,
    file: 'packages/retrysafe/src/store-testkit/cases/takeover.ts',
    name: 'I1 a takeover comes only after lease and grace',
    brokenStore: 'I1: no grace after the lease',
  },
  {
    number: 20,
    file: 'packages/retrysafe/src/store-testkit/cases/takeover.ts',
    name: 'I1 a takeover does not come when only the wall clock jumps',
  },
  { number: 21, file: 'packages/retrysafe/test/stores/postgres/doctor.test.ts', name: 'UNLOGGED tables' },
  {
    number: 25,
    file: 'packages/retrysafe/test/fingerprint/keyed-hash.test.ts',
    name: 'is HMAC-SHA-256 (RFC 4231, test case 2)',
  },
]

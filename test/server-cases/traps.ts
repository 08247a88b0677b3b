import { answerTraps } from './traps/answers.ts'
import { claimTraps } from './traps/claims.ts'
import type { Trap } from './traps/trap.ts'

/** The 25 traps of the field, as far as requests can show them. */
export const traps: readonly Trap[] = [...claimTraps, ...answerTraps]

/** Traps below HTTP: the tests that show them, by file and name. */
export const shownElsewhere: readonly { readonly number: number; readonly file: string; readonly name: string }[] = [
  {
    number: 2,
    file: 'test/e2e/gateway-crash-takeover.test.ts',
    name: 'rerun: who waits in another gateway takes over, and runs once',
  },
  {
    number: 3,
    file: 'packages/retrysafe/src/store-testkit/cases/takeover.ts',
    name: 'I6 a zombie is told lost after its successor completed, was released or freed the key',
  },
  {
    number: 4,
    file: 'packages/retrysafe/src/store-testkit/cases/takeover.ts',
    name: 'I1 a token is another with another owner or another fence',
  },
  {
    number: 5,
    file: 'packages/retrysafe/src/store-testkit/cases/takeover.ts',
    name: 'I1 a takeover comes only after lease and grace',
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

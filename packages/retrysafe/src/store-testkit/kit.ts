import assert from 'node:assert/strict'
import { hindrance, type KitCase } from './case.ts'
import { claimCases } from './cases/claim.ts'
import { closedCases } from './cases/closed.ts'
import { concurrentCases } from './cases/concurrent.ts'
import { counterCases } from './cases/counters.ts'
import { endCases } from './cases/ends.ts'
import { expiryCases } from './cases/expiry.ts'
import { fingerprintCases } from './cases/fingerprint.ts'
import { hintCases } from './cases/hints.ts'
import { lateCases } from './cases/late.ts'
import { listingCases } from './cases/listing.ts'
import { logCases } from './cases/log.ts'
import { metaCases } from './cases/meta.ts'
import { modelCases } from './cases/model.ts'
import { operatorCases } from './cases/operator.ts'
import { pairCases } from './cases/pairs.ts'
import { readCases } from './cases/read.ts'
import { replayedCases } from './cases/replayed.ts'
import { stepCases } from './cases/steps.ts'
import { sweepCases } from './cases/sweep.ts'
import { takeoverCases } from './cases/takeover.ts'
import { togetherCases } from './cases/together.ts'
import { traitCases } from './cases/traits.ts'
import { transactionCases } from './cases/transaction.ts'
import type { KitHarness, KitRunner } from './harness.ts'
import { Trial } from './trial.ts'

const topics: Readonly<Record<string, readonly KitCase[]>> = {
  traits: traitCases,
  claim: claimCases,
  takeover: takeoverCases,
  fingerprint: fingerprintCases,
  ends: endCases,
  log: logCases,
  read: readCases,
  steps: stepCases,
  expiry: expiryCases,
  sweep: sweepCases,
  operator: operatorCases,
  pairs: pairCases,
  counters: counterCases,
  meta: metaCases,
  listing: listingCases,
  hints: hintCases,
  closed: closedCases,
  replayed: replayedCases,
  late: lateCases,
  concurrent: concurrentCases,
  together: togetherCases,
  transaction: transactionCases,
  model: modelCases,
}

/**
 * Runs every case of the store contract, I1 to I13, on a store. A case that a store cannot meet is skipped only with a
 * written reason in `harness.skips`; what the harness cannot do (time, handles, transactions) is skipped and says so.
 *
 * @example
 * // vitest, a store on a clock that the test moves; real clocks pass `maxPassMs: 10_000` and wait
 * import { describe, it } from 'vitest'
 * const runner = { describe, it, skip: (name, reason) => it.skip(`${name} (${reason})`, () => {}) }
 * testStore(runner, {
 *   open: async () => memoryStore({ clock }),
 *   pass: async ms => clock.advance(ms),
 *   maxPassMs: Infinity,
 * })
 *
 * @example
 * // node:test
 * import { describe, it } from 'node:test'
 * const runner = { describe, it, skip: (name, reason) => it(name, { skip: reason }) }
 * testStore(runner, {
 *   open: () => myStore({ url, prefix: randomUUID() }),
 *   openAgain: () => myStore({ url, prefix: lastPrefix }),
 *   pass: ms => setTimeout(ms),
 *   maxPassMs: 10_000,
 * })
 */
export function testStore(runner: KitRunner, harness: KitHarness): void {
  const skips = harness.skips ?? {}
  for (const [topic, cases] of Object.entries(topics)) {
    runner.describe(topic, () => {
      for (const kitCase of cases) plan(runner, harness, kitCase, skips[kitCase.name])
    })
  }
  runner.describe('skips', () => {
    const names = new Set(Object.values(topics).flatMap(cases => cases.map(({ name }) => name)))
    runner.it('every skip names a case', async () => {
      assert.deepEqual(
        Object.keys(skips).filter(name => !names.has(name)),
        [],
      )
    })
  })
}

function plan(runner: KitRunner, harness: KitHarness, kitCase: KitCase, skipReason: string | undefined): void {
  const { name } = kitCase
  const reason = skipReason ?? hindrance(kitCase, harness)
  if (reason === undefined) runner.it(name, () => runOne(harness, kitCase))
  else if (reason.trim().length > 0) runner.skip(name, reason)
  else runner.it(name, async () => assert.fail('the skip has no written reason'))
}

/** A real clock that ran on while the machine was busy makes no case fail: it is run again then, this often. */
const maxRuns = 3

async function runOne(harness: KitHarness, { needsMs = 0, keepsTime = false, run }: KitCase): Promise<void> {
  for (let runs = 1; ; runs++) {
    const trial = await Trial.open(harness, needsMs)
    try {
      return await run(trial)
    } catch (error) {
      if (keepsTime || runs === maxRuns || !(await trial.wasHeldUp())) throw error
    } finally {
      await trial.close()
    }
  }
}

import { expect, test } from 'vitest'
import { type FailoverRun, type FailoverTerms, failOver } from './failover.ts'

/** `ROUNDS=10`: as many failovers of each kind. */
const rounds = Number(process.env.ROUNDS ?? 1)
const completions = 600

const kinds: readonly FailoverTerms[] = [
  { delayMs: 0, minReplicas: false, completions },
  { delayMs: 50, minReplicas: false, completions },
  { delayMs: 50, minReplicas: true, completions },
  ...(rounds > 1
    ? [
        { delayMs: 5, minReplicas: false, completions },
        { delayMs: 0, minReplicas: true, completions },
        { delayMs: 5, minReplicas: true, completions },
      ]
    : []),
]

test.each(kinds)(
  'a failover loses what the replica lacked ($delayMs ms behind, min-replicas $minReplicas), and nothing else',
  {
    timeout: 60_000 * rounds,
  },
  async terms => {
    const runs: FailoverRun[] = []
    for (let round = 0; round < rounds; round++) runs.push(await failOver(terms))
    console.log(rowOf(terms, runs))
    for (const { audit, forgotten, twoTokens, resurrected } of runs) {
      // What is not served afterwards, or was acknowledged twice, is what the replica did not have at the promotion.
      const wrong = audit.wrong as readonly { key: string }[]
      expect(wrong.filter(({ key }) => !forgotten.has(key))).toEqual([])
      expect(twoTokens).toEqual([])
      expect(resurrected).toBeGreaterThanOrEqual(0)
    }
    // The measure measures: a replica that is late has lost something.
    if (terms.delayMs >= 50) expect(sum(runs, ({ forgotten }) => forgotten.size)).toBeGreaterThan(0)
  },
)

function sum(runs: readonly FailoverRun[], of: (run: FailoverRun) => number): number {
  return runs.reduce((total, run) => total + of(run), 0)
}

/** A row of the table in docs/stores/redis.md. */
function rowOf({ delayMs, minReplicas }: FailoverTerms, runs: readonly FailoverRun[]): string {
  const cells = [
    `${delayMs} ms`,
    minReplicas ? 'yes' : 'no',
    runs.length,
    `${sum(runs, run => run.forgotten.size)} of ${sum(runs, run => run.completions)}`,
    `${sum(runs, run => run.forgottenClaims)} of ${sum(runs, run => run.claims)}`,
    sum(runs, run => run.resurrected),
    sum(runs, run => run.ranTwice),
    `${Math.max(...runs.map(run => run.awayMs)).toFixed(0)} ms`,
  ]
  return `failover: | ${cells.join(' | ')} |`
}

/** One deliberate fault: in `file` of packages/retrysafe/src, `find` (which stands there once) becomes `replace`. */
export interface Mutant {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
  /** The invariant that the simulation must name; it may name others before. */
  readonly invariant: string
  /** One that found it after hundreds that did not: played first, and then the others if it finds it no more. */
  readonly seed?: number
}

/** Faults of the engine, by the invariant that breaks first. */
const engineMutants: readonly Mutant[] = [
  {
    name: 'shows an outcome before it is recorded',
    file: 'engine/recording.ts',
    find: 'const sealWaitMs = 1_000',
    replace: 'const sealWaitMs = 0',
    invariant: 'I2',
  },
  {
    name: 'dispatches without waiting for the mark',
    file: 'engine/attempt.ts',
    find: 'const mustMark = !this.#terms.sent',
    replace: 'const mustMark = false',
    invariant: 'I4',
  },
  {
    name: 'begins past its deadline',
    file: 'engine/lease.ts',
    find: 'return elapsedMs(this.#countedFrom, this.#terms.surroundings.clock) >= this.#terms.leaseMs - marginMs',
    replace: 'return marginMs < 0',
    invariant: 'I4',
  },
  {
    name: 'asks the monotonic clock alone, which stands still in sleep',
    file: 'engine/instant.ts',
    find: 'Math.max(clock.monotonicMs() - since.monotonicMs, clock.wallMs() - since.wallMs)',
    replace: 'clock.monotonicMs() - since.monotonicMs',
    invariant: 'I4',
  },
  {
    name: 'counts its deadline from the last of its claims',
    file: 'engine/claim.ts',
    find: 'for (;;) {\n      let answer',
    replace: 'for (;;) {\n      const claimedAt = instant(port.surroundings.clock)\n      let answer',
    invariant: 'I4',
    seed: 500_161,
  },
  {
    name: 'begins after it has given up',
    file: 'engine/attempt.ts',
    find: 'return !this.#stopped && !this.#terms.closing.aborted',
    replace: 'return !this.#stopped',
    invariant: 'I4',
  },
  {
    name: 'joins whatever runs here, whoever has the record',
    file: 'engine/engine.ts',
    find: 'return attempt?.token.fence === fence ? attempt : undefined',
    replace: 'return attempt',
    invariant: 'I6',
  },
  {
    name: 'splices the next generation to the last one',
    file: 'engine/follower.ts',
    find: "if (answer.kind === 'ended') return { kind: 'broken' }\n        if (answer.bytes",
    replace: `if (answer.kind === 'ended') {
          const view = await log.store.get(log.key)
          if (view === undefined || view.fence === log.fence) return { kind: 'broken' }
          log = { ...log, fence: view.fence }
          continue
        }
        if (answer.bytes`,
    invariant: 'I8',
    seed: 500_299,
  },
  {
    name: 'waits for hints without polling',
    file: 'engine/record-watch.ts',
    find: 'Math.min(maxMs, store.traits.pollMs * (0.5 + random.unit()))',
    replace: 'Math.min(maxMs, 2_000_000_000)',
    invariant: 'I12',
    seed: 500_712,
  },
  {
    name: 'comes again without a cooldown',
    file: 'engine/claim.ts',
    find: 'await pause(this.#port.surroundings.timers, leftMs, this.#call.signal)',
    replace: '',
    invariant: 'I12',
  },
  {
    name: 'seals before the canonical form is there',
    file: 'engine/log-writer.ts',
    find: 'if (making !== undefined) await making',
    replace: '',
    invariant: 'I5',
  },
  {
    name: 'takes the canonical form for stored by an append that had none',
    file: 'engine/log-writer.ts',
    find: "if (answer.kind === 'ok' && says.canonical !== undefined)",
    replace: "if (answer.kind === 'ok')",
    invariant: 'I5',
    seed: 500_167,
  },
  {
    name: 'keeps what was cancelled before it began',
    file: 'engine/attempt.ts',
    find: "return this.#mayBegin() ? 'go' : this.#neverBegun()",
    replace: "return this.#mayBegin() ? 'go' : 'lost'",
    invariant: 'I12',
    seed: 501_313,
  },
  {
    name: 'begins although the mark was not answered',
    file: 'engine/attempt.ts',
    find: 'await this.#lease.renew(mustMark ? { sent: true } : {})',
    replace: `await this.#lease
        .renew(mustMark ? { sent: true } : {})
        .catch(() => ({ kind: 'ok', cancelled: false, followed: false }) as const)`,
    invariant: 'I13',
  },
  {
    name: 'runs although the claim was not answered',
    file: 'engine/claim.ts',
    find: 'answer = await claimant.askAgain(error)',
    replace:
      "answer = { kind: 'acquired', token: { fence: 1, owner: String(error) }, attempt: 1, sent: true, onCrash: 'rerun' }",
    invariant: 'I13',
  },
]

/** Faults of the state table that the store kit has cases for: the simulation finds them too. */
const storeMutants: readonly Mutant[] = [
  {
    name: 'takes over before the grace is over',
    file: 'stores/row/row.ts',
    find: 'row.leaseUntilMs + graceMs <= now.leaseMs',
    replace: 'row.leaseUntilMs <= now.leaseMs',
    invariant: 'I1',
  },
  {
    name: 'purges whatever fence the operator saw',
    file: 'stores/row/operator.ts',
    find: "if (row.fence !== fence) return { answer: 'changed', change: keep }",
    replace: '',
    invariant: 'I1',
    seed: 500_436,
  },
  {
    name: 'lets another payload in',
    file: 'stores/row/claim.ts',
    find: "return row.canonical === terms.canonical ? 'match' : 'mismatch'",
    replace: "return 'match'",
    invariant: 'I3',
  },
  {
    name: 'ignores the cap of an open record',
    file: 'stores/row/claim.ts',
    find: 'row.attempt >= row.maxAttempts && row.steps === 0 ? giveUp(row, now) :',
    replace: 'row.steps > 9 ? giveUp(row, now) :',
    invariant: 'I4',
  },
  {
    name: 'says sent before it was',
    file: 'stores/row/claim.ts',
    find: "sent: terms.onCrash === 'rerun',",
    replace: 'sent: true,',
    invariant: 'I4',
  },
  {
    name: 'takes writes from everybody',
    file: 'stores/row/write.ts',
    find: 'row.fence === token.fence && row.owner === token.owner && ',
    replace: '',
    invariant: 'I6',
  },
  {
    name: 'releases what was released before',
    file: 'stores/row/write.ts',
    find: "if (row.state !== 'running') return { answer: row.state === 'completed' ? 'lost' : 'ok', change: keep }",
    replace: '',
    invariant: 'I7',
  },
  {
    name: 'takes the lease for the retention',
    file: 'stores/row/write.ts',
    find: "expiresAtMs: now.wallMs + row.retentionMs,\n  }\n  return { answer: 'ok'",
    replace: "expiresAtMs: now.wallMs + row.leaseMs,\n  }\n  return { answer: 'ok'",
    invariant: 'I5',
  },
  {
    name: 'sweeps what has been renewed',
    file: 'stores/memory/entries.ts',
    find: 'if (isExpired(entry.row, now)) {',
    replace: 'if (entry.row.fence > 0) {',
    invariant: 'I9',
  },
]

export const mutants: readonly Mutant[] = [...engineMutants, ...storeMutants]

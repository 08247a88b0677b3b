import type { BatchProgress } from 'retrysafe/internal/batch/file/batch-progress'

/** A batch of 20,000 items, two thirds done. */
export const midway: BatchProgress = {
  phase: 'running',
  batchId: 'nightly-2026-11-23',
  input: '/data/in.jsonl',
  output: '/data/out.jsonl',
  errors: '/data/out.errors.jsonl',
  total: 20_000,
  done: 13_600,
  failed: 3,
  kept: 1_204,
  replayed: 312,
  inFlight: 16,
  limit: 16,
  heldMs: 0,
  perSecond: 188.4,
  etaMs: 34_000,
  inputTokens: 1_234_567,
  outputTokens: 310_000,
  usdSpent: 1.2345,
  withoutPrice: 0,
  usdSaved: 0.1234,
  elapsedMs: 72_000,
  startedAt: '2026-11-23T01:00:00.000Z',
  updatedAt: '2026-11-23T01:01:12.000Z',
}

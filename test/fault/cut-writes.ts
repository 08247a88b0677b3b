import { fingerprintOf } from '../../packages/retrysafe/test/support/store-terms.ts'
import {
  type CutStep,
  five,
  keyIn,
  lapsed,
  many,
  ofFive,
  pieceOf,
  ready,
  termsIn,
  tokenIn,
  toldNext,
  viewOf,
} from './cut-stage.ts'

export const claimCuts: readonly CutStep[] = [
  {
    name: 'claim',
    prepare: async stage => () => stage.store.claim(termsIn(stage)),
    first: ready,
    left: viewOf,
    leaves: 'running, attempt 1, sent, 0 bytes',
  },
  {
    name: 'claims of five keys',
    prepare: async stage => () =>
      stage.store.claimMany(many.map(suffix => termsIn(stage, { key: keyIn(stage, suffix), owner: suffix }))),
    first: five(ready),
    left: stage => Promise.all(many.map(suffix => viewOf(stage, suffix))),
    leaves: five('running, attempt 1, sent, 0 bytes'),
  },
  {
    name: 'claim that takes over',
    prepare: stage => lapsed(stage, {}),
    first: { ...ready, attempt: 2 },
    left: viewOf,
    leaves: 'running, attempt 2, sent, 0 bytes',
  },
  {
    name: 'claim that gives up',
    prepare: stage => lapsed(stage, { maxAttempts: 1 }),
    first: { kind: 'unknown', attempt: 1 },
    left: viewOf,
    leaves: 'unknown, attempt 1, sent, 0 bytes',
  },
  {
    name: 'claim that replays',
    async prepare(stage) {
      await stage.direct.complete(keyIn(stage), await tokenIn(stage), pieceOf('kept'))
      return () => stage.store.claim(termsIn(stage, { owner: 'b' }))
    },
    first: { kind: 'completed', log: { lengthBytes: 4 } },
    left: toldNext,
    leaves: 'completed: kept',
  },
]

export const writeCuts: readonly CutStep[] = [
  {
    name: 'mark',
    async prepare(stage) {
      const token = await tokenIn(stage, { onCrash: 'fail' })
      return () => stage.store.renew(keyIn(stage), token, { leaseMs: 30_000, sent: true })
    },
    first: { kind: 'ok', cancelled: false, followed: false },
    left: viewOf,
    leaves: 'running, attempt 1, sent, 0 bytes',
  },
  {
    name: 'note',
    async prepare(stage) {
      const token = await tokenIn(stage)
      const canonical = fingerprintOf('canonical-1')
      return () => stage.store.renew(keyIn(stage), token, { leaseMs: 30_000, canonical })
    },
    first: { kind: 'ok', cancelled: false, followed: false },
    async left(stage) {
      const other = { owner: 'b', raw: fingerprintOf('raw-2') }
      const same = await stage.direct.claim(termsIn(stage, { ...other, canonical: fingerprintOf('canonical-1') }))
      const another = await stage.direct.claim(termsIn(stage, { ...other, canonical: fingerprintOf('canonical-2') }))
      return [same.kind, another.kind]
    },
    leaves: ['running', 'mismatch'],
  },
  {
    name: 'append',
    async prepare(stage) {
      const token = await tokenIn(stage)
      return () => stage.store.append(keyIn(stage), token, pieceOf('abc'))
    },
    first: { kind: 'ok', lengthBytes: 3, followed: false },
    again: { kind: 'dup' },
    left: viewOf,
    leaves: 'running, attempt 1, sent, 3 bytes',
  },
  {
    name: 'appends to five logs',
    prepare: stage => ofFive(stage, (key, token) => stage.store.append(key, token, pieceOf('abc')))(),
    first: five({ kind: 'ok', lengthBytes: 3, followed: false }),
    again: five({ kind: 'dup' }),
    left: stage => Promise.all(many.map(suffix => viewOf(stage, suffix))),
    leaves: five('running, attempt 1, sent, 3 bytes'),
  },
  {
    name: 'complete',
    async prepare(stage) {
      const token = await tokenIn(stage)
      await stage.direct.append(keyIn(stage), token, pieceOf('abcdef'))
      return () => stage.store.complete(keyIn(stage), token, pieceOf('XY', 3))
    },
    first: 'ok',
    again: 'dup',
    left: toldNext,
    leaves: 'completed: abcXY',
  },
  {
    name: 'completes of five records',
    prepare: stage => ofFive(stage, (key, token) => stage.store.complete(key, token, pieceOf('done')))(),
    first: five('ok'),
    again: five('dup'),
    left: stage => Promise.all(many.map(suffix => toldNext(stage, suffix))),
    leaves: five('completed: done'),
  },
  {
    name: 'release that deletes',
    async prepare(stage) {
      const token = await tokenIn(stage)
      return () => stage.store.release(keyIn(stage), token, { end: 'free', cooldownMs: 0 })
    },
    first: 'ok',
    left: viewOf,
    leaves: 'absent',
  },
  {
    name: 'release of a broken attempt',
    async prepare(stage) {
      const token = await tokenIn(stage)
      return () => stage.store.release(keyIn(stage), token, { end: 'broken', cooldownMs: 0 })
    },
    first: 'ok',
    left: viewOf,
    leaves: 'open, attempt 1, sent, 0 bytes',
  },
]

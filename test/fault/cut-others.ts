import { fingerprintOf } from '../../packages/retrysafe/test/support/store-terms.ts'
import { type CutStep, keyIn, pieceOf, tokenIn, viewOf } from './cut-stage.ts'

const stepTerms = { id: 's', input: fingerprintOf('input'), onCrash: 'rerun', maxAttempts: 3 } as const
const value = Buffer.from('value')

export const operationCuts: readonly CutStep[] = [
  {
    name: 'stepStart',
    async prepare(stage) {
      const token = await tokenIn(stage)
      return () => stage.store.stepStart(keyIn(stage), token, stepTerms)
    },
    first: { kind: 'begun', attempt: 1 },
    left: async stage => (await stage.direct.get(keyIn(stage)))?.steps,
    leaves: 1,
  },
  {
    name: 'stepPut',
    async prepare(stage) {
      const token = await tokenIn(stage)
      await stage.direct.stepStart(keyIn(stage), token, stepTerms)
      return () => stage.store.stepPut(keyIn(stage), token, { id: 's', value })
    },
    first: { kind: 'ok' },
    left: stage => stage.direct.stepGet(keyIn(stage), 's'),
    leaves: { kind: 'exists', value },
  },
  {
    name: 'stepGet',
    async prepare(stage) {
      const token = await tokenIn(stage)
      await stage.direct.stepStart(keyIn(stage), token, stepTerms)
      await stage.direct.stepPut(keyIn(stage), token, { id: 's', value })
      return () => stage.store.stepGet(keyIn(stage), 's')
    },
    first: { kind: 'exists', value },
    left: viewOf,
    leaves: 'running, attempt 1, sent, 0 bytes',
  },
  {
    name: 'offer',
    prepare: async stage => () =>
      stage.store.offer(stage.name, { key: keyIn(stage), fence: 7, count: 0, ttlMs: 60_000 }),
    first: undefined,
    async left(stage) {
      const takes = ['a', 'b'].map(owner => () => stage.direct.take(stage.name, { count: 1, owner }))
      return [(await takes[0]?.())?.kind, (await takes[1]?.())?.kind]
    },
    leaves: ['taken', 'none'],
  },
  {
    name: 'take',
    async prepare(stage) {
      for (const fence of [7, 8])
        await stage.direct.offer(stage.name, { key: keyIn(stage), fence, count: 0, ttlMs: 60_000 })
      return () => stage.store.take(stage.name, { count: 1, owner: 'a' })
    },
    first: { kind: 'taken', fence: 8 },
    left: stage => stage.direct.take(stage.name, { count: 1, owner: 'b' }),
    leaves: { kind: 'taken', fence: 7 },
  },
  {
    name: 'count',
    prepare: async stage => () => stage.store.count(stage.name, { runs: 3 }, { source: 'p', number: 1 }),
    first: 'ok',
    again: 'dup',
    left: stage => stage.direct.counters(stage.name),
    leaves: { runs: 3 },
  },
  {
    name: 'metaInit',
    prepare: async stage => () => stage.store.metaInit(stage.name, value),
    first: value,
    left: stage => stage.direct.metaInit(stage.name, Buffer.from('later')),
    leaves: value,
  },
]

export const operatorCuts: readonly CutStep[] = [
  {
    name: 'cancel',
    async prepare(stage) {
      const { fence } = await tokenIn(stage)
      return () => stage.store.cancel(keyIn(stage), fence)
    },
    first: 'ok',
    left: viewOf,
    leaves: 'running, attempt 1, sent, 0 bytes',
  },
  {
    name: 'resolve',
    async prepare(stage) {
      const token = await tokenIn(stage, { onCrash: 'fail' })
      await stage.direct.release(keyIn(stage), token, { end: 'broken', cooldownMs: 0 })
      return () => stage.store.resolve(keyIn(stage), token.fence)
    },
    first: 'ok',
    again: 'absent',
    left: viewOf,
    leaves: 'purged, attempt 1, 0 bytes',
  },
  {
    name: 'purge',
    async prepare(stage) {
      const { fence } = await tokenIn(stage)
      return () => stage.store.purge(keyIn(stage), fence, { force: true })
    },
    first: 'ok',
    again: 'absent',
    left: viewOf,
    leaves: 'purged, attempt 1, sent, 0 bytes',
  },
  {
    name: 'sweep',
    async prepare(stage) {
      await stage.direct.complete(keyIn(stage), await tokenIn(stage, { retentionMs: 1_000 }), pieceOf('x'))
      await stage.pass(40_000)
      return () => stage.store.sweep(100)
    },
    first: 1,
    again: 0,
    left: viewOf,
    leaves: 'absent',
  },
  {
    name: 'read',
    async prepare(stage) {
      const token = await tokenIn(stage)
      await stage.direct.append(keyIn(stage), token, pieceOf('abc'))
      return () => stage.store.read(keyIn(stage), token.fence, 1, 100)
    },
    first: { kind: 'bytes', bytes: Buffer.from('bc'), lengthBytes: 3, sealed: false, lapsed: false },
    left: viewOf,
    leaves: 'running, attempt 1, sent, 3 bytes',
  },
  {
    name: 'get',
    async prepare(stage) {
      await tokenIn(stage)
      return () => stage.store.get(keyIn(stage))
    },
    first: { state: 'running', attempt: 1 },
    left: viewOf,
    leaves: 'running, attempt 1, sent, 0 bytes',
  },
  {
    name: 'list',
    async prepare(stage) {
      await tokenIn(stage)
      return async () => (await stage.store.list({ limit: 10 })).records.map(({ id }) => id === keyIn(stage))
    },
    first: [true],
    left: viewOf,
    leaves: 'running, attempt 1, sent, 0 bytes',
  },
]

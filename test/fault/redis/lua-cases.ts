import { expect } from 'vitest'
import type { Token } from '../../../packages/retrysafe/src/engine/record.ts'
import type { ClaimTerms, Store } from '../../../packages/retrysafe/src/engine/store.ts'
import { restoreArguments } from '../../../packages/retrysafe/src/stores/redis/answers.ts'
import { scripts } from '../../../packages/retrysafe/src/stores/redis/embedded-lua.ts'
import {
  acquire,
  acquireToken,
  claimTerms,
  day,
  fingerprintOf,
  keyOf,
  piece,
  textOf,
} from '../../../packages/retrysafe/test/support/store-terms.ts'
import type { LuaStage } from './lua-stage.ts'

export interface LuaCase {
  readonly name: string
  run(stage: LuaStage): Promise<void>
}

const key = keyOf('k')
const gently = { force: false }
const byForce = { force: true }

async function kindFor(store: Store, change: Partial<ClaimTerms>): Promise<string> {
  const answer = await store.claim(claimTerms(change))
  return answer.kind === 'acquired' ? `attempt ${answer.attempt}` : answer.kind
}

/** When the server drops a record, or its steps. */
async function endsAtMs({ server, names }: LuaStage, what: 'record' | 'steps' = 'record'): Promise<number> {
  return Number(await server.execute('PEXPIRETIME', names[what](key)))
}

const claimedAtMs = ({ fence }: Token): number => Math.floor(fence / 1_000)

/** What the kit cannot ask: of a server that starts or is gone, of what it drops by itself, of its channels. */
export const luaCases: readonly LuaCase[] = [
  {
    name: 'after a start nobody’s lease has lapsed before lease and grace, and no running record has expired',
    async run(stage) {
      const store = stage.open()
      await acquire(store, { key: keyOf('long') })
      await acquire(store, { key: keyOf('short'), leaseMs: 1_000, retentionMs: 500 })
      stage.pass(60_000)
      stage.startedAgo(2)
      expect(await kindFor(store, { key: keyOf('long'), owner: 'b' })).toBe('running')
      expect(await kindFor(store, { key: keyOf('short'), owner: 'b' })).toBe('running')
      stage.startedAgo(33)
      expect(await kindFor(store, { key: keyOf('long'), owner: 'b' })).toBe('attempt 2')
      expect(await kindFor(store, { key: keyOf('short'), owner: 'b' })).toBe('attempt 1')
    },
  },
  {
    name: 'who has seen the server gone takes nothing over before lease and grace',
    async run(stage) {
      const store = stage.open()
      await acquire(store, { leaseMs: 60_000 })
      stage.pass(100_000)
      stage.goAway()
      expect(await kindFor(store, { owner: 'b' })).toBe('running')
      expect(await kindFor(stage.open(), { owner: 'c' })).toBe('attempt 2')
    },
  },
  {
    name: 'the server keeps each record until its end, and under a live lease longer',
    async run(stage) {
      const store = stage.open('real')
      const brief = await acquireToken(store, { leaseMs: 60_000, retentionMs: 0 })
      expect(await endsAtMs(stage)).toBe(claimedAtMs(brief) + 60_000 + 3_600_000)
      await store.purge(key, brief.fence, byForce)
      const token = await acquireToken(store, { owner: 'b', leaseMs: 1_000, retentionMs: day })
      expect(await endsAtMs(stage)).toBe(claimedAtMs(token) + day + 1_000)
      await store.stepStart(key, token, { id: 's', input: claimTerms().raw, onCrash: 'rerun', maxAttempts: 3 })
      await store.renew(key, token, { leaseMs: 100_000 })
      expect(await endsAtMs(stage)).toBeGreaterThanOrEqual(claimedAtMs(token) + day + 100_000)
      expect(await endsAtMs(stage, 'steps')).toBe(await endsAtMs(stage))
      // Nobody else may write to this one: it goes when it is over.
      await stage.server.execute('DEL', stage.names.record(key))
      const alone = await acquireToken(store, { owner: 'c', leaseMs: 100_000, retentionMs: day })
      expect(await store.complete(key, alone, piece(0, 'x'))).toBe('ok')
      expect(await endsAtMs(stage)).toBe((await store.get(key))?.expiresAtMs)
    },
  },
  {
    name: 'a shorter life in a tombstone’s place does not let the older owner in',
    async run(stage) {
      const store = stage.open('real')
      const old = await acquireToken(store, { retentionMs: 30 * day })
      await store.purge(key, old.fence, byForce)
      const next = await acquireToken(store, { owner: 'b', retentionMs: 1_000 })
      expect(await store.complete(key, next, piece(0, 'x'))).toBe('ok')
      expect(await endsAtMs(stage)).toBeGreaterThanOrEqual(claimedAtMs(old) + 30 * day)
    },
  },
  {
    name: 'steps that an earlier life left behind are not the next one’s',
    async run(stage) {
      const store = stage.open()
      const step = { input: claimTerms().raw, onCrash: 'rerun', maxAttempts: 3 } as const
      const token = await acquireToken(store)
      for (const id of ['s', 't']) {
        await store.stepStart(key, token, { id, ...step })
        await store.stepPut(key, token, { id, value: piece(0, 'old').bytes })
      }
      await stage.server.execute('DEL', stage.names.record(key))
      const next = await acquireToken(store, { owner: 'b' })
      expect(await store.stepStart(key, next, { id: 's', ...step })).toEqual({ kind: 'begun', attempt: 1 })
      expect(await store.stepGet(key, 't')).toEqual({ kind: 'absent' })
    },
  },
  {
    name: 'tombstones live for as long as an outcome may come back',
    async run(stage) {
      const store = stage.open('real')
      const retentionMs = 30 * day
      const first = await acquireToken(store, { retentionMs })
      const until = claimedAtMs(first) + retentionMs
      await store.complete(key, first, piece(0, 'x'))
      expect(await store.purge(key, first.fence, gently)).toBe('ok')
      expect(await endsAtMs(stage)).toBeGreaterThanOrEqual(until)
      const second = await acquireToken(store, { owner: 'b', retentionMs })
      await store.release(key, second, { end: 'failed', cooldownMs: 0 })
      expect((await store.get(key))?.state).toBe('open')
      expect(await endsAtMs(stage)).toBeGreaterThanOrEqual(until)
      const third = await acquireToken(store, { owner: 'c', retentionMs })
      await store.release(key, third, { end: 'free', cooldownMs: 0 })
      expect(await endsAtMs(stage)).toBeGreaterThanOrEqual(until)
    },
  },
  {
    name: 'only what is forgotten is put back, and not too late',
    async run(stage) {
      const store = stage.open('real')
      const name = stage.names.record(key)
      const terms = claimTerms()
      const token = await acquireToken(store)
      const restore = (of: Token): Promise<unknown> => {
        const args = restoreArguments(of, { terms, attempt: 1 }).map(String)
        return stage.server.execute('EVAL', stage.change(scripts.restore), '1', name, ...args)
      }
      await stage.server.execute('DEL', name)
      const next = await acquireToken(store, { owner: 'b' })
      await restore(token)
      expect(await store.renew(key, next, { leaseMs: 1_000 })).toMatchObject({ kind: 'ok' })
      await stage.server.execute('DEL', name)
      await restore({ ...token, fence: token.fence - 1_000 * day })
      expect(await stage.server.execute('EXISTS', name)).toBe(0)
      await restore(token)
      expect(await store.release(key, token, { end: 'free', cooldownMs: 0 })).toBe('ok')
      expect((await store.get(key))?.state).toBe('purged')
    },
  },
  {
    name: 'who follows from another process is told at once',
    async run(stage) {
      const [owner, follower] = [stage.open('real'), stage.open('real')]
      const token = await acquireToken(owner)
      const subscription = follower.subscribe(key, () => {})
      const channel = stage.names.channel(key)
      const soon = { timeout: 1_000, interval: 5 }
      await expect.poll(() => stage.server.execute('PUBSUB', 'SHARDNUMSUB', channel), soon).toEqual([channel, 1])
      await expect
        .poll(() => owner.renew(key, token, { leaseMs: 30_000 }), soon)
        .toMatchObject({ kind: 'ok', followed: true })
      stage.hints = 0
      await owner.append(key, token, piece(0, 'x'))
      await expect.poll(() => stage.hints, soon).toBe(1)
      subscription.close()
    },
  },
  {
    name: 'a name stays in the index until no step can be on its way',
    async run(stage) {
      const store = stage.open()
      const isListed = async (): Promise<boolean> =>
        (await stage.server.execute('ZSCORE', stage.names.unknown, key)) !== null
      const token = await acquireToken(store, { onCrash: 'fail' })
      await store.release(key, token, { end: 'broken', cooldownMs: 0 })
      expect(await store.resolve(key, token.fence)).toBe('ok')
      await store.sweep(10)
      expect(await isListed()).toBe(true)
      stage.pass(900_000)
      await store.sweep(10)
      expect(await isListed()).toBe(false)
    },
  },
  {
    name: 'the fence rises while the clock stands',
    async run(stage) {
      const store = stage.open()
      const first = await acquireToken(store)
      await store.release(key, first, { end: 'broken', cooldownMs: 0 })
      const second = await acquireToken(stage.open(), { owner: 'b' })
      expect(second.fence).toBe(first.fence + 1)
    },
  },
  {
    name: 'an append tells the canonical form, and a complete cuts what is behind it',
    async run(stage) {
      const store = stage.open()
      const token = await acquireToken(store)
      const spelled = { owner: 'b', raw: fingerprintOf('raw-2'), canonical: fingerprintOf('canonical-1') }
      await store.append(key, token, piece(0, 'abcdef', 'canonical-1'))
      expect(await kindFor(store, spelled)).toBe('running')
      expect(await store.complete(key, token, piece(3, 'XY'))).toBe('ok')
      const answer = await store.claim(claimTerms(spelled))
      expect(answer.kind === 'completed' && textOf(answer.log.bytes)).toBe('abcXY')
    },
  },
]

import type { Token } from '../../engine/record.ts'
import type { Store } from '../../engine/store.ts'
import { assertRejects } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { bytesOf, piece, step, type Trial } from '../trial.ts'

/** Every step there is, as a closed store is asked for it. */
function allSteps(t: Trial, store: Store, token: Token): Record<string, () => Promise<unknown>> {
  const key = t.key()
  return {
    claim: () => store.claim(t.terms({ key: 'new' })),
    'claim of a running key': () => store.claim(t.terms()),
    claimMany: () => store.claimMany([t.terms({ key: 'new' })]),
    renew: () => store.renew(key, token, { leaseMs: 1_000 }),
    append: () => store.append(key, token, piece(0, 'x')),
    complete: () => store.complete(key, token, piece(0, 'x')),
    release: () => store.release(key, token, { end: 'free', cooldownMs: 0 }),
    read: () => store.read(key, token.fence, 0, 1),
    stepStart: () => store.stepStart(key, token, step()),
    stepPut: () => store.stepPut(key, token, { id: 's', value: bytesOf('x') }),
    stepGet: () => store.stepGet(key, 's'),
    offer: () => store.offer(t.name('pair'), { key, fence: token.fence, count: 0, ttlMs: 1_000 }),
    take: () => store.take(t.name('pair'), { count: 1, owner: t.owner('x') }),
    count: () => store.count(t.name('bucket'), { runs: 1 }, { source: 'p', number: 1 }),
    counters: () => store.counters(t.name('bucket')),
    metaInit: () => store.metaInit(t.name('meta'), bytesOf('x')),
    cancel: () => store.cancel(key, token.fence),
    resolve: () => store.resolve(key, token.fence),
    purge: () => store.purge(key, token.fence, { force: true }),
    get: () => store.get(key),
    list: () => store.list({ limit: 1 }),
    unknown: () => store.unknown({ limit: 1 }),
    sweep: () => store.sweep(1),
    now: () => store.now(),
  }
}

export const closedCases: readonly KitCase[] = [
  {
    name: 'I13 a closed store refuses every step with STORE_UNAVAILABLE, and may be closed again',
    async run(t) {
      const token = await t.token()
      await t.store.close()
      for (const [name, call] of Object.entries(allSteps(t, t.store, token))) {
        await assertRejects(call(), 'STORE_UNAVAILABLE', name)
      }
      await t.store.close()
    },
  },
  {
    name: 'I13 a handle that was closed refuses, the other goes on',
    needs: 'openAgain',
    async run(t) {
      const other = await t.again()
      const token = await t.token()
      await other.close()
      for (const [name, call] of Object.entries(allSteps(t, other, token))) {
        await assertRejects(call(), 'STORE_UNAVAILABLE', name)
      }
      for (const [name, call] of Object.entries(allSteps(t, t.store, token))) {
        await call().catch((error: unknown) =>
          Promise.reject(new Error(`${name} on the open handle`, { cause: error })),
        )
      }
    },
  },
]

import type { StoreKey } from '../../src/engine/record.ts'
import type { ClaimTerms, Store } from '../../src/engine/store.ts'
import { type BrokenStore, ownerBlindStores } from './owner-blind-stores.ts'

const force = { force: true }

/** Purges every record in one of these states. */
async function purgeAll(store: Store, states: readonly string[]): Promise<number> {
  const { records } = await store.list({ limit: 1_000 })
  const gone = records.filter(record => states.includes(record.state))
  for (const { id, fence } of gone) await store.purge(id, fence, force)
  return gone.length
}

function withTerms(store: Store, change: (terms: ClaimTerms) => ClaimTerms): Store {
  return {
    ...store,
    claim: terms => store.claim(change(terms)),
    claimMany: many => store.claimMany(many.map(change)),
  }
}

export const brokenStores: readonly BrokenStore[] = [
  ...ownerBlindStores,
  {
    fault: 'I1: no grace after the lease',
    break: store => withTerms(store, terms => ({ ...terms, leaseMs: Math.max(1, terms.leaseMs - 2_000) })),
    cases: ['I1 a takeover comes only after lease and grace'],
    foundByWalks: true,
  },
  {
    fault: 'I2: a second complete replaces the outcome',
    break(store) {
      const replaced = new Map<StoreKey, Uint8Array>()
      return {
        ...store,
        async complete(key, token, piece) {
          const answer = await store.complete(key, token, piece)
          if (answer === 'dup') replaced.set(key, piece.bytes)
          return answer
        },
        async claim(terms) {
          const answer = await store.claim(terms)
          const bytes = replaced.get(terms.key)
          if (answer.kind !== 'completed' || bytes === undefined) return answer
          return { ...answer, log: { lengthBytes: bytes.byteLength, bytes } }
        },
      }
    },
    cases: ['I2 the second complete is dup, whatever it says, and every replay the same'],
    foundByWalks: true,
  },
  {
    fault: 'I3: a payload that nobody knows gets the outcome of another',
    break(store) {
      const raws = new Map<StoreKey, ClaimTerms['raw']>()
      return {
        ...store,
        async claim(terms) {
          const answer = await store.claim(terms)
          if (answer.kind === 'acquired') raws.set(terms.key, terms.raw)
          const raw = raws.get(terms.key)
          return answer.kind === 'mismatch' && raw !== undefined ? store.claim({ ...terms, raw }) : answer
        },
      }
    },
    cases: [
      'I3 another payload gets nothing of a completed, an unknown and a counted open row without a canonical form',
      'I3 the first canonical form stays',
    ],
    foundByWalks: true,
  },
  {
    fault: 'I4: the cap of attempts is not kept',
    break: store => withTerms(store, terms => ({ ...terms, maxAttempts: 100 })),
    cases: [
      'I4 a lapsed run is taken over under rerun, counted, up to the cap',
      'I4 an open record whose attempts are used up is unknown, after its cooldown',
    ],
    foundByWalks: true,
  },
  {
    fault: 'I4: a mark is forgotten',
    break: store => ({
      ...store,
      renew: (key, token, { sent: _, ...change }) => store.renew(key, token, change),
    }),
    cases: ['I4 a lapsed run is unknown under fail once it was sent, else taken over'],
    foundByWalks: true,
  },
  {
    fault: 'I5: a sweep forgets outcomes',
    break: store => ({
      ...store,
      sweep: async limit => (await purgeAll(store, ['completed'])) + (await store.sweep(limit)),
    }),
    cases: ['I5 every claim before expiry answers the outcome that was acknowledged'],
    foundByWalks: true,
  },
  {
    fault: 'I7: an append sent twice lands twice',
    break: store => ({
      ...store,
      async append(key, token, piece) {
        const answer = await store.append(key, token, piece)
        if (answer.kind !== 'dup') return answer
        return store.append(key, token, { ...piece, offsetBytes: (await store.get(key))?.lengthBytes ?? 0 })
      },
    }),
    cases: ['I7 append knows what it has', 'I7 every step of an attempt sent twice equals once, up to complete'],
    foundByWalks: true,
  },
  {
    fault: 'I7: a take sent twice takes twice',
    break(store) {
      let takes = 0
      return { ...store, take: (pair, { count }) => store.take(pair, { count, owner: `taker ${takes++}` }) }
    },
    cases: ['I7 the same taker gets the same again, and no second one'],
    foundByWalks: true,
  },
  {
    fault: 'I7: a late claim of a released attempt runs again',
    break(store) {
      let claims = 0
      return {
        ...store,
        async claim(terms) {
          const view = await store.get(terms.key)
          const owner =
            view?.state === 'open' ? `${terms.owner.slice(0, 12)}${String(claims++).padStart(10, '0')}` : undefined
          return store.claim(owner === undefined ? terms : { ...terms, owner })
        },
      }
    },
    cases: ['I7 a claim that arrives again late does not run again after a release as broken'],
    foundByWalks: true,
  },
  {
    fault: 'I8: a read repeats a byte',
    break: store => ({
      ...store,
      read: (key, fence, offsetBytes, limitBytes) => store.read(key, fence, Math.max(0, offsetBytes - 1), limitBytes),
    }),
    cases: [
      'I8 every prefix of a growing log is read without gap or repeat',
      'I8 what was written is read back byte for byte, in whatever pieces',
    ],
    foundByWalks: true,
  },
  {
    fault: 'I8: a read does not look at the generation',
    break: store => ({
      ...store,
      read: async (key, fence, ...where) => store.read(key, (await store.get(key))?.fence ?? fence, ...where),
    }),
    cases: ['I8 a takeover begins an empty log, and the old generation has ended'],
    foundByWalks: true,
  },
  {
    fault: 'I9: records outlive their retention',
    break: store => withTerms(store, terms => ({ ...terms, retentionMs: terms.retentionMs + 1 })),
    cases: ['I9 an outcome is served until the retention is over, and never after'],
    foundByWalks: true,
  },
  {
    fault: 'I9: records are gone before their end',
    break: store => withTerms(store, terms => ({ ...terms, retentionMs: terms.retentionMs - 1 })),
    cases: ['I9 an outcome is served until the retention is over, and never after'],
    foundByWalks: true,
  },
  {
    fault: 'I9: a sweep removes running and open records',
    break: store => ({
      ...store,
      sweep: async limit => (await purgeAll(store, ['running', 'open'])) + (await store.sweep(limit)),
    }),
    cases: ['I9 sweep removes nothing that lives: running, open, unknown, tombstone, completed'],
    foundByWalks: true,
  },
  {
    fault: 'I11: a second value replaces the first',
    break(store) {
      const replaced = new Map<string, Uint8Array>()
      return {
        ...store,
        async stepPut(key, token, step) {
          const answer = await store.stepPut(key, token, step)
          if (answer.kind !== 'exists') return answer
          replaced.set(`${key} ${step.id}`, step.value)
          return { kind: 'ok' }
        },
        async stepGet(key, id) {
          const answer = await store.stepGet(key, id)
          const value = replaced.get(`${key} ${id}`)
          return answer.kind === 'exists' && value !== undefined ? { kind: 'exists', value } : answer
        },
      }
    },
    cases: [
      'I11 the first value of a step stays',
      'I11 of many values of a step at once one is kept, and everybody is told that one',
    ],
    foundByWalks: true,
  },
  {
    fault: 'I12: nobody hears of a change, and no owner of a follower',
    break: store => ({ ...store, subscribe: () => ({ close() {} }) }),
    cases: [
      'I12 a subscriber hears of every change that a waiter could wait for',
      'I12 the owner sees that somebody follows',
    ],
    foundByWalks: false,
  },
  {
    fault: 'I12: a lapsed row without a canonical form stays undecided',
    break: store => ({
      ...store,
      async claim(terms) {
        const answer = await store.claim(terms)
        const view = answer.kind === 'mismatch' ? await store.get(terms.key) : undefined
        return view?.state === 'running' ? { kind: 'undecided', fence: view.fence } : answer
      },
    }),
    cases: ['I12 nothing stays undecided past lease and grace: a lapsed row without a canonical form is a mismatch'],
    foundByWalks: true,
  },
  {
    fault: 'I13: a closed store goes on',
    break: store => ({ ...store, close: async () => {} }),
    cases: ['I13 a closed store refuses every step with STORE_UNAVAILABLE, and may be closed again'],
    foundByWalks: false,
  },
]

import type { StoreKey, Token } from '../../src/engine/record.ts'
import type { Store } from '../../src/engine/store.ts'

/** A store with one wrong behaviour, and what must find it. */
export interface BrokenStore {
  readonly fault: string
  break(store: Store): Store
  /** Cases that fail, by name. */
  readonly cases: readonly string[]
  /** The walks of the model find it too, though they were not written for it. */
  readonly foundByWalks: boolean
}

const force = { force: true }

/** The token that holds each key now, as it was given out. */
function watchTokens(store: Store): { current: Map<StoreKey, Token>; claim: Store['claim'] } {
  const current = new Map<StoreKey, Token>()
  return {
    current,
    async claim(terms) {
      const answer = await store.claim(terms)
      if (answer.kind === 'acquired') current.set(terms.key, answer.token)
      return answer
    },
  }
}

/** Stores that do not see whose a record is. */
export const ownerBlindStores: readonly BrokenStore[] = [
  {
    fault: 'I1: append does not look at the token',
    break(store) {
      const { current, claim } = watchTokens(store)
      return { ...store, claim, append: (key, token, piece) => store.append(key, current.get(key) ?? token, piece) }
    },
    cases: ['I1 a token is another with another owner or another fence'],
    foundByWalks: true,
  },
  {
    fault: 'I1: a claim looks first and writes later',
    break: store => ({
      ...store,
      async claim(terms) {
        const before = await store.get(terms.key)
        await new Promise(resolve => setImmediate(resolve))
        const after = before === undefined ? await store.get(terms.key) : undefined
        if (after !== undefined) await store.purge(terms.key, after.fence, force)
        return store.claim(terms)
      },
    }),
    cases: ['I1 of many claims at once exactly one is acquired'],
    foundByWalks: false,
  },
  {
    fault: 'I1: a takeover takes what has come since it looked',
    break: store => ({
      ...store,
      async claim(terms) {
        const seen = await store.get(terms.key)
        await new Promise(resolve => setImmediate(resolve))
        const answer = await store.claim(terms)
        if (answer.kind !== 'running' || seen === undefined || answer.fence === seen.fence) return answer
        await store.purge(terms.key, answer.fence, force)
        return store.claim(terms)
      },
    }),
    cases: ['I1 of many takeovers at once exactly one is acquired'],
    foundByWalks: false,
  },
  {
    fault: 'I6: an append of an older token lands',
    break(store) {
      const { current, claim } = watchTokens(store)
      const everMine = new Set<string>()
      return {
        ...store,
        async claim(terms) {
          const answer = await claim(terms)
          if (answer.kind === 'acquired') everMine.add(`${terms.key} ${answer.token.owner}`)
          return answer
        },
        append(key, token, piece) {
          const known = everMine.has(`${key} ${token.owner}`) ? current.get(key) : undefined
          return store.append(key, known ?? token, piece)
        },
      }
    },
    cases: ['I6 every step of an older token is told lost, and changes nothing'],
    foundByWalks: true,
  },
  {
    fault: 'I6: complete and release do not look at the token',
    break(store) {
      const { current, claim } = watchTokens(store)
      return {
        ...store,
        claim,
        complete: (key, token, piece) => store.complete(key, current.get(key) ?? token, piece),
        release: (key, token, release) => store.release(key, current.get(key) ?? token, release),
      }
    },
    cases: ['I6 a zombie is told lost after its successor completed, was released or freed the key'],
    foundByWalks: true,
  },
]

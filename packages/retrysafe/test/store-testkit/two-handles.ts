import { RetrysafeError } from '../../src/engine/errors.ts'
import type { Store } from '../../src/engine/store.ts'
import type { KitHarness } from '../../src/store-testkit/index.ts'
import { memoryHarness } from './collecting-runner.ts'

/**
 * The memory store behind handles that close by themselves, as two processes would have it.
 *
 * @param alter changes the second handle
 */
export function twoHandlesHarness(alter: (store: Store) => Store = store => store): KitHarness {
  const dataOf = new WeakMap<Store, Store>()
  const open = (inner: Store): Store => {
    const handle = handleOf(inner)
    dataOf.set(handle, inner)
    return handle
  }
  return {
    ...memoryHarness(open),
    async openAgain(store) {
      const inner = dataOf.get(store)
      if (inner === undefined) throw new Error('this store is not of this harness')
      return alter(open(inner))
    },
  }
}

function handleOf(inner: Store): Store {
  let closed = false
  const close = async (): Promise<void> => {
    closed = true
  }
  const traits = { ...inner.traits, crossProcess: true }
  return new Proxy(inner, {
    get(target, name): unknown {
      if (name === 'traits') return traits
      if (name === 'close') return close
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown => {
        if (closed) return Promise.reject(new RetrysafeError('STORE_UNAVAILABLE', 'this handle is closed'))
        return Reflect.apply(member, target, args)
      }
    },
  })
}

import { RetrysafeError } from '../../src/engine/errors.ts'
import type { Store } from '../../src/engine/store.ts'

/** What goes wrong with one call of a store's method. */
export type Fault =
  /** The request never arrives. */
  | { kind: 'reject' }
  /** The step is made, its answer is lost. */
  | { kind: 'lose reply' }
  /** The request arrives only once `until` resolves. */
  | { kind: 'hold'; until: Promise<void> }
  /** The step is made at once, its answer comes only once `until` resolves. */
  | { kind: 'hold reply'; until: Promise<void> }
  /** The request never arrives, and the caller learns it only once `until` resolves. */
  | { kind: 'reject late'; until: Promise<void> }
  /** The step is not made; somebody answers this. */
  | { kind: 'answer'; answer: unknown }

export type Method = {
  [Name in keyof Store]-?: Store[Name] extends (...args: never[]) => Promise<unknown> ? Name : never
}[keyof Store]

export interface FaultyStore {
  readonly store: Store
  /** Every call that was made, in order. */
  readonly calls: { method: string; args: readonly unknown[] }[]
  /** The next calls of `method` meet these faults, one each. */
  next(method: Method, ...faults: Fault[]): void
  /** All calls of `method` meet this fault until it is lifted. */
  always(method: Method, fault: Fault | undefined): void
  count(method: Method): number
}

/** Wraps a store so that a test owns the delivery of every request and of its reply. */
export function faultyStore(inner: Store): FaultyStore {
  const calls: { method: string; args: readonly unknown[] }[] = []
  const queued = new Map<PropertyKey, Fault[]>()
  const standing = new Map<PropertyKey, Fault>()
  const store = new Proxy(inner, {
    get(target, name, receiver): unknown {
      const member: unknown = Reflect.get(target, name, receiver)
      if (typeof member !== 'function' || name === 'subscribe') return member
      return (...args: unknown[]): Promise<unknown> => {
        calls.push({ method: String(name), args })
        const fault = queued.get(name)?.shift() ?? standing.get(name)
        const call = async (): Promise<unknown> => Reflect.apply(member, target, args)
        return fault === undefined ? call() : withFault(fault, String(name), call)
      }
    },
  })
  return {
    store,
    calls,
    next: (method, ...faults) => void queued.set(method, [...(queued.get(method) ?? []), ...faults]),
    always: (method, fault) => void (fault === undefined ? standing.delete(method) : standing.set(method, fault)),
    count: method => calls.filter(call => call.method === method).length,
  }
}

async function withFault(fault: Fault, name: string, call: () => Promise<unknown>): Promise<unknown> {
  switch (fault.kind) {
    case 'reject':
      throw unavailable(name)
    case 'lose reply':
      await call()
      throw unavailable(name)
    case 'hold':
      await fault.until
      return call()
    case 'hold reply': {
      const answer = await call()
      await fault.until
      return answer
    }
    case 'reject late':
      await fault.until
      throw unavailable(name)
    case 'answer':
      return fault.answer
  }
}

function unavailable(name: string): RetrysafeError {
  return new RetrysafeError('STORE_UNAVAILABLE', `${name}: the connection was cut (a fault of the test)`)
}

/** Something to wait for, opened by the test. */
export function gate(): { until: Promise<void>; open: () => void } {
  let open = (): void => {}
  const until = new Promise<void>(resolve => {
    open = resolve
  })
  return { until, open: () => open() }
}

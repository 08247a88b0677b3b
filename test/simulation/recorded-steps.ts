import type { Clock } from '../../packages/retrysafe/src/engine/clock.ts'
import type { StoreKey, Token } from '../../packages/retrysafe/src/engine/record.ts'
import type { ReleaseTerms, Store, Subscription } from '../../packages/retrysafe/src/engine/store.ts'
import type { StoreTime } from '../../packages/retrysafe/src/stores/row/row.ts'
import { ownCode } from './code.ts'
import type { Plan } from './plan.ts'
import { simulate } from './simulation.ts'

/** The steps of a store that the simulated processes and operators take, and those that look at what is left. */
const recordedNames = [
  'claim',
  'renew',
  'append',
  'complete',
  'release',
  'read',
  'cancel',
  'resolve',
  'purge',
  'sweep',
  'metaInit',
  'get',
  'list',
  'unknown',
  'counters',
  'now',
] as const
type RecordedName = (typeof recordedNames)[number]

/** What was asked of a store. Whoever subscribes has a number, by which the subscription is closed. */
export type StepRequest =
  | { [Name in RecordedName]: { readonly name: Name; readonly args: Parameters<Store[Name]> } }[RecordedName]
  | { readonly name: 'subscribe'; readonly args: readonly [StoreKey]; readonly subscriber: number }
  | { readonly name: 'unsubscribe'; readonly args: readonly []; readonly subscriber: number }

export interface RecordedStep {
  readonly request: StepRequest
  /** The store's time just before. */
  readonly time: StoreTime
  /** Subscriptions have none. */
  readonly answer: unknown
}

/** Every step of one plan, in the order in which the store took them. */
export interface Recording {
  readonly plan: Plan
  readonly target: RecordedFor
  readonly steps: readonly RecordedStep[]
}

/** What the store is like to which a recording will be replayed. */
export type RecordedFor =
  /** It has two clocks, as the simulation's own. */
  | { readonly kind: 'two clocks' }
  /**
   * It has one clock of whole milliseconds: whoever moves the calendar moves the leases with it, and a cooldown of
   * fractions is rounded up.
   */
  | { readonly kind: 'one clock' }
  /**
   * Many recordings go to it at once, so nobody moves its clock, which goes on in ticks (what falls into the same tick
   * is sent together), and nobody sweeps.
   */
  | { readonly kind: 'crowd'; readonly tickMs: number }

/** Plays a plan and writes down what its store was asked and what it answered. */
export async function recordSteps(whole: Plan, target: RecordedFor): Promise<Recording> {
  const plan = target.kind === 'crowd' ? { ...whole, actions: whole.actions.filter(staysCalm) } : whole
  let recorder: Recorder | undefined
  await simulate(plan, {
    code: {
      ...ownCode,
      memoryStore: options => {
        recorder = new Recorder(options.clock ?? neverGiven(), target)
        return recorder.store
      },
    },
  })
  if (recorder === undefined) throw new Error('the simulation has opened no store')
  const keys = Array.from({ length: plan.keys }, (_, key) => `k${key}` as StoreKey)
  await lookAtAll(recorder.store, keys, recorder.steps, target)
  return { plan, target, steps: recorder.steps }
}

function staysCalm(action: Plan['actions'][number]): boolean {
  return action.kind !== 'sweep' && !(action.kind === 'clock' && action.of === 'store')
}

function neverGiven(): never {
  throw new Error('the simulation gives its store no clock')
}

/** A memory store that keeps a list of everything that is asked of it. */
class Recorder {
  readonly steps: RecordedStep[] = []
  readonly store: Store
  readonly #time: () => StoreTime
  #subscribers = 0

  constructor(clock: Clock, target: RecordedFor) {
    this.#time = () => timeOf(clock, target)
    const wholeMs = (): number => Math.floor(this.#time().wallMs)
    const inner = ownCode.memoryStore({
      clock: target.kind === 'two clocks' ? clock : { wallMs: wholeMs, monotonicMs: wholeMs },
    })
    const sweep = target.kind === 'crowd' ? async (): Promise<number> => 0 : undefined
    this.store = new Proxy(inner, {
      get: (_, name): unknown => {
        const member: unknown = Reflect.get(inner, name)
        if (typeof member !== 'function' || name === 'close') return member
        if (name === 'subscribe') return (key: StoreKey, hint: () => void) => this.#subscribe(inner, key, hint)
        if (name === 'sweep' && sweep !== undefined) return sweep
        const take = (args: readonly unknown[]): Promise<unknown> => Reflect.apply(member, inner, args)
        return this.#recorded(String(name), take, target)
      },
    })
  }

  #recorded(name: string, take: (args: readonly unknown[]) => Promise<unknown>, { kind }: RecordedFor) {
    return async (...asked: unknown[]): Promise<unknown> => {
      if (!isRecorded(name)) throw new Error(`the simulation takes a step that the replay does not know: ${name}`)
      const whole = name === 'release' ? rounded(asked) : asked
      // A crowd goes to stores of both kinds: nobody asks for fractions.
      const args = kind === 'crowd' ? whole : asked
      const step = {
        request: { name, args: copied(args) } as StepRequest,
        time: this.#time(),
        answer: undefined as unknown,
      }
      this.steps.push(step)
      const answer = await take(kind === 'two clocks' ? asked : whole)
      step.answer = copied(answer)
      return answer
    }
  }

  #subscribe(inner: Store, key: StoreKey, hint: () => void): Subscription {
    const subscription = inner.subscribe(key, hint)
    const subscriber = this.#subscribers++
    this.steps.push({ request: { name: 'subscribe', args: [key], subscriber }, time: this.#time(), answer: undefined })
    return {
      close: () => {
        subscription.close()
        this.steps.push({
          request: { name: 'unsubscribe', args: [], subscriber },
          time: this.#time(),
          answer: undefined,
        })
      },
    }
  }
}

/** The arguments of a release. */
function rounded([key, token, terms]: readonly unknown[]): Parameters<Store['release']> {
  const { cooldownMs, ...rest } = terms as ReleaseTerms
  return [key as StoreKey, token as Token, { ...rest, cooldownMs: Math.ceil(cooldownMs) }]
}

function isRecorded(name: string): name is RecordedName {
  return recordedNames.some(known => known === name)
}

function timeOf(clock: Clock, target: RecordedFor): StoreTime {
  const wallMs = clock.wallMs()
  switch (target.kind) {
    case 'two clocks':
      return { wallMs, leaseMs: clock.monotonicMs() }
    case 'one clock':
      return { wallMs, leaseMs: wallMs }
    case 'crowd': {
      const tick = Math.floor(wallMs / target.tickMs) * target.tickMs
      return { wallMs: tick, leaseMs: tick }
    }
  }
}

/** Bytes may be a view of something that changes later. */
function copied(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.slice()
  if (Array.isArray(value)) return value.map(copied)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copied(member)]))
}

/** Takes the steps that show what the seed has left, all generations of all logs among it. */
async function lookAtAll(
  store: Store,
  keys: readonly StoreKey[],
  steps: readonly RecordedStep[],
  target: RecordedFor,
): Promise<void> {
  const fences = new Map<StoreKey, Set<number>>(keys.map(key => [key, new Set()]))
  for (const { request } of steps) if (request.name === 'read') fences.get(request.args[0])?.add(request.args[1])
  for (const key of keys) {
    const view = await store.get(key)
    if (view !== undefined) fences.get(key)?.add(view.fence)
    for (const fence of fences.get(key) ?? []) await readToEnd(store, key, fence)
  }
  await store.now()
  await store.counters('simulated')
  // A crowd's store holds the records of others too.
  if (target.kind === 'crowd') return
  await store.list({ limit: 1_000 })
  await store.unknown({ limit: 1_000 })
}

async function readToEnd(store: Store, key: StoreKey, fence: number): Promise<void> {
  for (let offsetBytes = 0; ; ) {
    const answer = await store.read(key, fence, offsetBytes, 1_048_576)
    if (answer.kind === 'ended' || answer.bytes.byteLength === 0) return
    offsetBytes += answer.bytes.byteLength
  }
}

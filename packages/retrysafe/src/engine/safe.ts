import type { Surroundings } from './clock.ts'
import type { Engine } from './engine.ts'
import type { CallEvent } from './events.ts'
import type { CallPolicy, Grace, PolicyOptions } from './policy.ts'

/** Who watches one run of a handler or a function. */
export interface RunWatch {
  /** Calls `run`, and counts what it does as part of the run. */
  within<Value>(run: () => Value): Value
  /** Nothing more will come of it. */
  ended(recorded: boolean): void
}

/** Whose the key of a call that goes out is. `credential`: that of the request's own, which may be none. */
export type CallTenant = { kind: 'credential' } | { kind: 'single' } | { kind: 'named'; name: string }

/** A call that goes out by HTTP, and whose answer is to be kept. */
export interface OutgoingCall {
  /** Its body is read, and its signal says that the caller has left. */
  readonly request: Request
  readonly key: string
  readonly tenant: CallTenant
  /** Makes it. @param signal fires when it must stop */
  send(signal: AbortSignal): Promise<Response>
  /** What a rejection of `send` says: whether somebody may have taken the request. */
  wasSent(error: unknown): boolean
}

/** What holds for all calls of one client. */
export interface CallGuardTerms {
  readonly policy: CallPolicy
  readonly name: string
  readonly methods: ReadonlySet<string>
  readonly waitMs: number
  readonly maxRequestBytes: number
  /** A call that says nothing for so long is given up. */
  readonly silenceMs: number
  readonly grace: Grace
}

/** Makes a key's call once; every retry gets its answer. */
export type CallGuard = (call: OutgoingCall) => Promise<Response>

/** What `createRetrysafe` makes, as the rooms above the engine use it. */
export interface Safe {
  /**
   * The engine, opened by whoever asks first.
   *
   * @throws {RetrysafeError} as `openEngine` and `openStore` do; the next call tries again
   */
  engine(): Promise<Engine>
  readonly policy: CallPolicy
  /** What of it the developer said; where that is nothing, some rooms have defaults of their own. */
  readonly givenPolicy: PolicyOptions
  readonly surroundings: Surroundings
  tell(event: CallEvent): void
  /** Watches a run that is about to begin. */
  watchRun?(operation: string, attempt: number): RunWatch
  /** Stands before calls that go out. */
  guardCalls(terms: CallGuardTerms): Promise<CallGuard>
  /** Something the developer should know, once for each `topic`. */
  warnOnce(topic: string, message: string): void
}

const inside: unique symbol = Symbol.for('retrysafe.safe') as never

/** Anything that carries a `Safe`: what users hold. */
export interface SafeHolder {
  readonly [inside]: Safe
}

export function holdSafe<Holder extends object>(holder: Holder, safe: Safe): Holder & SafeHolder {
  return Object.defineProperty(holder, inside, { value: safe }) as Holder & SafeHolder
}

/** @returns `undefined` for what `createRetrysafe` did not make */
export function safeIn(holder: unknown): Safe | undefined {
  return typeof holder === 'object' && holder !== null ? (Reflect.get(holder, inside) as Safe | undefined) : undefined
}

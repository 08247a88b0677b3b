import { unlessAborted } from './abort.ts'
import type { Attempt } from './attempt.ts'
import { deriveKey } from './context.ts'
import { RetrysafeError } from './errors.ts'
import { type FunctionCall, type Invocation, readCall, readSignal, refusal } from './function-call.ts'
import {
  type AnyFunction,
  type ArgumentsOf,
  type FunctionOptions,
  type FunctionRules,
  readFunctionRules,
  type UnknownFunction,
} from './function-options.ts'
import { followerOf, readOutcome, removed } from './function-outcome.ts'
import { type FunctionRunResult, isAsyncIterable, runFunction, type Settled } from './function-run.ts'
import { readItems } from './item-frames.ts'
import type { ItemsHead, ValueHead } from './outcome.ts'
import { problemOf } from './refusal.ts'
import type { Safe } from './safe.ts'
import { type Turn, tellTurn } from './turn.ts'

/** What an async iterable is to its callers: one of their own, that the recording feeds. */
type Recorded<Value> =
  Value extends AsyncGenerator<infer Item, infer Return, never>
    ? AsyncGenerator<Item, Return, undefined>
    : Value extends AsyncIterable<infer Item>
      ? AsyncGenerator<Item, unknown, undefined>
      : Value

/** Whether a result of this type is what callers get: a plain promise, of anything but an async iterable. */
type IsKept<Result> = unknown extends Result
  ? false
  : [Result] extends [Promise<infer Value>]
    ? Promise<Value> extends Result
      ? unknown extends Value
        ? true
        : [Extract<Value, AsyncIterable<unknown>>] extends [never]
          ? true
          : false
      : false
    : false

type Answer<Result> = unknown extends Result
  ? Promise<Result>
  : [Result] extends [AsyncIterable<infer Item>]
    ? Promise<Recorded<Result>> & AsyncIterable<Item>
    : Promise<Recorded<Awaited<Result>>>

/**
 * A function that `idempotent` made: of the same type, overloads and all, where it gives a promise of a value. Where it
 * gives an async iterable, what it returns can be iterated, or awaited first; and any other result becomes a promise.
 */
export type IdempotentFunction<Fn extends AnyFunction> =
  IsKept<ResultOf<Fn>> extends true ? Fn : Calls<Fn, Answer<ResultOf<Fn>>>

type ResultOf<Fn extends AnyFunction> = Fn extends (this: never, ...args: never) => infer Result ? Result : never

type Calls<Fn extends AnyFunction, Result> = (this: ThisParameterType<Fn>, ...args: ArgumentsOf<Fn>) => Result

/** As the developer knows them. */
const names = { maxWaiters: 'maxWaiters', maxResult: 'maxResultBytes' }

/**
 * Makes a function safe to retry: of all calls with one key one runs, and all get its result.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`, naming the option
 */
export function makeIdempotent<Fn extends AnyFunction>(
  safe: Safe,
  fn: Fn,
  options: FunctionOptions<Fn>,
): IdempotentFunction<Fn> {
  const called = fn as unknown as UnknownFunction
  const rules = readFunctionRules(called, options as unknown as FunctionOptions<UnknownFunction>, safe.policy)
  // An async function gives a promise and nothing else; of any other only its first result tells what it gives.
  const isAsync = Object.prototype.toString.call(fn) === '[object AsyncFunction]'
  function idempotent(this: unknown, ...args: unknown[]): Promise<unknown> {
    const answer = answerCall(safe, rules, { fn: called, self: this, args })
    return isAsync ? answer : withIterator(answer)
  }
  Object.defineProperty(idempotent, 'name', { value: fn.name, configurable: true })
  Object.defineProperty(idempotent, 'length', { value: fn.length, configurable: true })
  return idempotent as unknown as IdempotentFunction<Fn>
}

/** Lets a promise of an async iterable be iterated itself. */
function withIterator(answer: Promise<unknown>): Promise<unknown> {
  async function* iterate(): AsyncGenerator<unknown, unknown, undefined> {
    const items = await answer
    if (!isAsyncIterable(items)) throw new TypeError('the function gave no async iterable')
    return yield* items
  }
  return Object.defineProperty(answer, Symbol.asyncIterator, { value: iterate })
}

interface Performance extends Invocation, Pick<FunctionCall, 'engine' | 'call'> {
  readonly tell: (turn: Turn) => void
}

async function answerCall(safe: Safe, rules: FunctionRules, invocation: Omit<Invocation, 'signal'>): Promise<unknown> {
  const beganAtMs = safe.surroundings.clock.monotonicMs()
  const signal = readSignal(rules, invocation)
  signal?.throwIfAborted()
  return unlessAborted(answerInTime(safe, rules, { ...invocation, signal }, beganAtMs), signal)
}

async function answerInTime(
  safe: Safe,
  rules: FunctionRules,
  invocation: Invocation,
  beganAtMs: number,
): Promise<unknown> {
  const { engine, call, tenant } = await readCall(safe, rules, invocation)
  const facts = { operation: rules.name, tenant, key: call.label.key, beganAtMs }
  const tell = (turn: Turn): void => tellTurn(safe, facts, turn)
  const answer = await perform(safe, rules, { ...invocation, engine, call, tell }).catch(error => {
    if (error instanceof RetrysafeError) tell({ kind: 'refused', code: error.code })
    throw error
  })
  switch (answer.kind) {
    case 'value':
      return answer.value
    case 'thrown':
      throw answer.error
    case 'items':
      // Who has left will not read, and must not be waited for.
      if (invocation.signal?.aborted) answer.follower.close()
      return readItems(answer.follower, answer.whyBroken, invocation.signal)
  }
}

/** What the call comes to: its own run, or somebody else's. */
async function perform(safe: Safe, rules: FunctionRules, invocation: Performance): Promise<Settled> {
  const { engine, call, tell, signal } = invocation
  let own: Promise<Settled> | undefined
  for (;;) {
    signal?.throwIfAborted()
    const entry = await engine.enter<ValueHead | ItemsHead>(call)
    switch (entry.kind) {
      case 'run': {
        const result = await runHere(safe, rules, invocation, entry.attempt)
        if (result.kind === 'value' || result.kind === 'thrown' || result.kind === 'items') return result
        if (result.kind === 'lost') {
          own = result.own
          call.mayRun = false
        }
        break
      }
      case 'replay':
        tell({ kind: 'replayed', ageMs: entry.replay.ageMs, joined: entry.joined })
        return readOutcome(rules.name, followerOf(entry.replay))
      case 'follow':
        tell({ kind: 'joined' })
        return readOutcome(rules.name, entry.follower)
      case 'refused': {
        const problem = problemOf(entry.refusal, undefined, names)
        throw refusal(rules.name, problem.code, problem.detail, problem.retryAfterMs)
      }
      case 'none':
        // An operator has purged the record while it ran: what the function came to is nobody else's.
        if (own !== undefined) return own
        throw removed(rules.name)
      case 'left':
        throw signal?.reason
    }
  }
}

function runHere(
  safe: Safe,
  { name }: FunctionRules,
  { engine, call, tell, fn, self, args, signal }: Performance,
  attempt: Attempt,
): Promise<FunctionRunResult> {
  const { fingerprintKey } = engine.identity
  return runFunction({
    safe,
    operation: name,
    attempt,
    effect: () => fn.apply(self, [...args]),
    isWanted: () => !signal?.aborted,
    contextOf: stop => ({
      key: call.label.key,
      signal: stop,
      attempt: attempt.number,
      replayable: true,
      derive: use => deriveKey(fingerprintKey, call.key, use),
    }),
    tell,
  })
}

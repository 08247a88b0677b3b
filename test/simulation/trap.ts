import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers'
import timersPromises from 'node:timers/promises'

type Members = Record<string, unknown>

/** What of the platform tells time, waits, or throws dice; none of it belongs into a simulated process. */
const forbidden: readonly (readonly [owner: object, name: string, called: string])[] = [
  [Date, 'now', 'Date.now'],
  [Math, 'random', 'Math.random'],
  [performance, 'now', 'performance.now'],
  [process, 'hrtime', 'process.hrtime'],
  [AbortSignal, 'timeout', 'AbortSignal.timeout'],
  ...['setTimeout', 'setInterval', 'setImmediate'].flatMap(name => [
    [globalThis, name, name] as const,
    [timers, name, `timers.${name}`] as const,
    [timersPromises, name, `timers/promises.${name}`] as const,
  ]),
  ...['randomBytes', 'randomFillSync', 'randomFill', 'randomInt', 'randomUUID'].map(
    name => [crypto, name, `crypto.${name}`] as const,
  ),
  [globalThis.crypto, 'getRandomValues', 'crypto.getRandomValues'],
  [globalThis.crypto, 'randomUUID', 'crypto.randomUUID'],
]

/**
 * Runs `body`; whoever asks the platform for time, timers or chance meanwhile, gets an error. The event loop must not
 * turn inside: others live there.
 */
export async function whileTrapped<Result>(body: () => Promise<Result>): Promise<Result> {
  const spring = setTraps()
  try {
    return await body()
  } finally {
    spring()
  }
}

function setTraps(): () => void {
  const undo = forbidden.map(([owner, name, called]) => replace(owner, name, refusal(called)))
  undo.push(replace(globalThis, 'Date', trappedDate()))
  syncBuiltinESMExports()
  return () => {
    for (const restore of undo.reverse()) restore()
    syncBuiltinESMExports()
  }
}

function replace(owner: object, name: string, value: unknown): () => void {
  const own = Object.getOwnPropertyDescriptor(owner, name)
  Object.defineProperty(owner, name, { value, configurable: true, writable: true })
  return () => {
    if (own === undefined) delete (owner as Members)[name]
    else Object.defineProperty(owner, name, own)
  }
}

function refusal(called: string): () => never {
  return () => {
    throw new Error(`${called} inside a simulation: take it from the surroundings`)
  }
}

/** A given time can be made into a date; the present one cannot. */
function trappedDate(): DateConstructor {
  return new Proxy(Date, {
    construct(target, args, newTarget): object {
      if (args.length === 0) refusal('new Date()')()
      return Reflect.construct(target, args, newTarget)
    },
    apply: () => refusal('Date()')(),
  })
}

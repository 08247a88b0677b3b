import { parseDuration } from 'retrysafe/internal/protocol/duration'

/** What can be made to go wrong with one call. */
export type Fault =
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'retry-after'; readonly seconds: number }
  | { readonly kind: 'times'; readonly times: number }
  | { readonly kind: 'cut-after'; readonly pieces: number }
  | { readonly kind: 'cut-before-head' }
  | { readonly kind: 'hang' }
  | { readonly kind: 'truncate-after'; readonly pieces: number }
  | { readonly kind: 'error-event-after'; readonly pieces: number }
  | { readonly kind: 'gap'; readonly gapMs: number }
  | { readonly kind: 'slow'; readonly slowMs: number }
  | { readonly kind: 'encode'; readonly coding: 'gzip' }

type FaultKind = Fault['kind']
type FaultOf<K extends FaultKind> = Extract<Fault, { kind: K }>

export type FaultReading =
  | { readonly kind: 'valid'; readonly faults: readonly Fault[] }
  | { readonly kind: 'invalid'; readonly message: string }

interface FaultWord<K extends FaultKind> {
  /** How it is written. */
  readonly example: string
  readonly meaning: string
  /** Means nothing without this one. */
  readonly needs?: FaultKind
  /** Cannot be true together with these. */
  readonly excludes?: readonly FaultKind[]
  /** @param value what follows `=`; undefined where there is no `=` */
  read(value: string | undefined): FaultOf<K> | undefined
}

/** The longest pause; the runtime's timers end at 24.8 days and fire at once beyond. */
const MAX_PAUSE_MS = 604_800_000

/** Every fault there is. One more is one more member of `Fault`, one entry here, and its place in delivery.ts. */
const FAULT_WORDS: { readonly [K in FaultKind]: FaultWord<K> } = {
  delay: {
    example: 'delay=2s',
    meaning: 'wait before the head of the answer, at most 7d',
    read: value => whereDefined(readPause(value), delayMs => ({ kind: 'delay', delayMs })),
  },
  status: {
    example: 'status=500',
    meaning: 'this status, 300 to 599 but not 304, instead of the work; counted as failed, not as a run',
    read: value => whereDefined(readStatus(value), status => ({ kind: 'status', status })),
  },
  'retry-after': {
    example: 'retry-after=2',
    meaning: 'with status: a Retry-After header of that many seconds',
    needs: 'status',
    read: value => whereDefined(readWhole(value), seconds => ({ kind: 'retry-after', seconds })),
  },
  times: {
    example: 'times=1',
    meaning: 'only the first N calls with these faults and this Idempotency-Key (without a key: on this path)',
    read: value => whereDefined(readWhole(value) || undefined, times => ({ kind: 'times', times })),
  },
  'cut-after': {
    example: 'cut-after=5',
    meaning: 'destroy the socket after N chunks of a stream, or N bytes of a plain body',
    read: value => whereDefined(readWhole(value), pieces => ({ kind: 'cut-after', pieces })),
  },
  'cut-before-head': {
    example: 'cut-before-head',
    meaning: 'destroy the socket without an answer',
    excludes: ['cut-after', 'hang'],
    read: value => (value === undefined ? { kind: 'cut-before-head' } : undefined),
  },
  hang: {
    example: 'hang',
    meaning: 'never answer and keep the socket; with cut-after=N, fall silent there',
    read: value => (value === undefined ? { kind: 'hang' } : undefined),
  },
  'truncate-after': {
    example: 'truncate-after=5',
    meaning: 'end in good order after N chunks of a stream, or N bytes of a plain body, as if that were all',
    excludes: ['cut-after', 'cut-before-head', 'hang'],
    read: value => whereDefined(readWhole(value), pieces => ({ kind: 'truncate-after', pieces })),
  },
  'error-event-after': {
    example: 'error-event-after=3',
    meaning: "the provider's own error after N chunks of a stream, or as a whole plain body, under a 200; a paid run",
    excludes: ['status', 'truncate-after', 'cut-before-head'],
    read: value => whereDefined(readWhole(value), pieces => ({ kind: 'error-event-after', pieces })),
  },
  gap: {
    example: 'gap=20ms',
    meaning: 'pause between the chunks of a stream, at most 7d',
    read: value => whereDefined(readPause(value), gapMs => ({ kind: 'gap', gapMs })),
  },
  slow: {
    example: 'slow=1s',
    meaning: 'pause after each byte of the body, at most 7d',
    read: value => whereDefined(readPause(value), slowMs => ({ kind: 'slow', slowMs })),
  },
  encode: {
    example: 'encode=gzip',
    meaning: 'the body in gzip, asked for or not; N bytes are then counted in it',
    read: value => (value === 'gzip' ? { kind: 'encode', coding: 'gzip' } : undefined),
  },
}

/** One line for each fault, for readers. */
export const FAULT_LINES: readonly string[] = Object.values(FAULT_WORDS).map(word => `${word.example}: ${word.meaning}`)

/**
 * Reads faults as they stand in a `Sandbox-Fault` header. Empty text is no fault. Nothing is ever passed over in
 * silence: a judge whose fault was misspelt would see a healthy call and call it proof.
 */
export function parseFaults(text: string): FaultReading {
  const faults: Fault[] = []
  if (text.trim() === '') return { kind: 'valid', faults }
  for (const part of text.split(',')) {
    const item = part.trim()
    const [name = '', ...rest] = item.split('=')
    if (!isFaultKind(name)) return invalid(item, 'is not a fault')
    const fault = FAULT_WORDS[name].read(rest.length === 0 ? undefined : rest.join('='))
    if (fault === undefined)
      return invalid(item, `is malformed; ${FAULT_WORDS[name].example}: ${FAULT_WORDS[name].meaning}`)
    if (faultOf(faults, name) !== undefined) return invalid(item, 'is there twice')
    faults.push(fault)
  }
  return contradictionIn(faults) ?? { kind: 'valid', faults }
}

/** The fault of that kind among `faults`, if it is there. */
export function faultOf<K extends FaultKind>(faults: readonly Fault[], kind: K): FaultOf<K> | undefined {
  return faults.find((fault): fault is FaultOf<K> => fault.kind === kind)
}

function contradictionIn(faults: readonly Fault[]): FaultReading | undefined {
  for (const { kind } of faults) {
    const { needs, excludes = [] } = FAULT_WORDS[kind] as FaultWord<FaultKind>
    if (needs !== undefined && faultOf(faults, needs) === undefined) return invalid(kind, `needs ${needs}`)
    const against = excludes.find(other => faultOf(faults, other) !== undefined)
    if (against !== undefined) return invalid(kind, `cannot go with ${against}`)
  }
  return undefined
}

function isFaultKind(name: string): name is FaultKind {
  return Object.hasOwn(FAULT_WORDS, name)
}

function invalid(item: string, why: string): FaultReading {
  return { kind: 'invalid', message: `Sandbox-Fault: "${item.slice(0, 100)}" ${why}.` }
}

function whereDefined<T, R>(value: T | undefined, make: (value: T) => R): R | undefined {
  return value === undefined ? undefined : make(value)
}

function readWhole(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined
}

function readStatus(value: string | undefined): number | undefined {
  const status = readWhole(value)
  // 304 has no body by definition and 1xx and 2xx are no faults.
  return status !== undefined && status >= 300 && status <= 599 && status !== 304 ? status : undefined
}

function readPause(value: string | undefined): number | undefined {
  const pauseMs = value === undefined ? undefined : parseDuration(value)
  return pauseMs !== undefined && pauseMs <= MAX_PAUSE_MS ? pauseMs : undefined
}

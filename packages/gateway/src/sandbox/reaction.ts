import type { Answer } from './answer.ts'
import type { Match } from './catalogue.ts'
import type { Call } from './endpoint.ts'
import { type ErrorFormat, errorAnswer } from './error-format.ts'
import { withEncoding, withErrorEvent } from './fault-answer.ts'
import type { FaultTurns } from './fault-turns.ts'
import { FAULT_LINES, type Fault, faultOf, parseFaults } from './faults.ts'
import type { Meter, Receipt } from './meter.ts'
import type { KeyUse, Repeats } from './repeats.ts'

/** What a sandbox remembers. */
export interface Bench {
  readonly meter: Meter
  readonly turns: FaultTurns
  /** Undefined: keys are not honoured. */
  readonly repeats: Repeats | undefined
}

/** A call that was received whole. */
export interface Received {
  readonly match: Match
  readonly call: Call
  readonly receipt: Receipt
  /** Undefined where there is no key, or where keys are not honoured. */
  readonly keyUse: KeyUse | undefined
  /** As in a `Sandbox-Fault` header. */
  readonly faultText: string
}

/** An answer, and what is left to go wrong while it is delivered. */
export interface Reaction {
  readonly answer: Answer
  readonly faults: readonly Fault[]
}

/** Counts, then answers. Without an `await`: two requests never see the same run number. */
export function reactTo(bench: Bench, received: Received): Reaction {
  const { receipt } = received
  const { errors } = received.match.endpoint
  const reading = parseFaults(received.faultText)
  if (reading.kind === 'invalid') {
    bench.meter.countRejected(receipt)
    const terms = { status: 400, message: reading.message, param: 'Sandbox-Fault', code: 'fault_invalid' }
    return { answer: errorAnswer({ ...terms, beside: { faults: FAULT_LINES } }, errors), faults: [] }
  }
  const faults = bench.turns.take(reading.faults, receipt)
  const failure = statusAnswer(faults, errors)
  if (failure !== undefined) bench.meter.countFailed(receipt)
  const answer = failure ?? workOrRepeat(bench, received, faults)
  return { answer: withEncoding(answer, faults), faults }
}

function statusAnswer(faults: readonly Fault[], errors: ErrorFormat): Answer | undefined {
  const fault = faultOf(faults, 'status')
  if (fault === undefined) return undefined
  const wait = faultOf(faults, 'retry-after')
  const terms = {
    status: fault.status,
    message: `Sandbox-Fault: status=${fault.status}`,
    ...(fault.status === 429 ? { code: 'rate_limit_exceeded' } : {}),
    ...(wait === undefined ? {} : { headers: { 'retry-after': String(wait.seconds) } }),
  }
  return errorAnswer(terms, errors)
}

/** The answer of one more run, or that of an earlier one whose key this is. */
function workOrRepeat(bench: Bench, received: Received, faults: readonly Fault[]): Answer {
  const { meter, repeats } = bench
  const { match, receipt, keyUse, call } = received
  const { errors } = match.endpoint
  const finding = keyUse === undefined ? undefined : repeats?.find(keyUse)
  if (finding?.kind === 'reused') {
    meter.countRejected(receipt)
    const message = 'Idempotency-Key is already used'
    return errorAnswer({ status: 422, message, param: 'Idempotency-Key', code: 'idempotency_key_reused' }, errors)
  }
  if (finding?.kind === 'repeat') {
    meter.countRepeated(receipt)
    return withErrorEvent(finding.answer, faults, errors)
  }
  const work = match.endpoint.work(call, meter.next())
  if (work.kind === 'rejected') {
    meter.countRejected(receipt)
    return work.answer
  }
  meter.countRun(receipt, work.usage, work.effect)
  if (keyUse !== undefined) repeats?.keep(keyUse, work.answer, call.body.length)
  return withErrorEvent(work.answer, faults, errors)
}

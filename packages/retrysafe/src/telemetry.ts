import type * as openTelemetry from '@opentelemetry/api'
import type { CallEvent } from './engine/events.ts'
import type { RunWatch } from './engine/safe.ts'
import { requirePeer } from './stores/peer.ts'

/** What `openTelemetry: true` adds. Names of functions and middleware are its only labels of any length. */
export interface Telemetry {
  tell(event: CallEvent): void
  watchRun(operation: string, attempt: number): RunWatch
}

interface Meters {
  readonly calls: openTelemetry.Counter
  readonly takeovers: openTelemetry.Counter
  readonly durations: openTelemetry.Histogram
}

/**
 * Counts calls (`retrysafe.calls`, `retrysafe.call.duration` in seconds, `retrysafe.takeovers`) and makes a span of each
 * run, `retrysafe <operation>`, in which what the run calls has its own. No key and no tenant is told.
 *
 * @throws {RetrysafeError} `PEER_MISSING`
 * @see OpenTelemetry specification: semantic conventions, naming
 */
export function openTelemetryWith(name = '@opentelemetry/api'): Telemetry {
  const api = requirePeer(name, 'createRetrysafe({ openTelemetry: true })') as typeof openTelemetry
  // At the first call: metrics made before the SDK was registered would stay silent.
  let meters: Meters | undefined
  return {
    tell(event) {
      meters ??= makeMeters(api)
      const operation = { 'retrysafe.operation': event.operation }
      if (event.type === 'taken over') return meters.takeovers.add(1, operation)
      const labels = { ...operation, ...outcomeOf(event) }
      meters.calls.add(1, labels)
      meters.durations.record(event.durationMs / 1_000, labels)
    },
    watchRun(operation, attempt) {
      const attributes = { 'retrysafe.operation': operation, 'retrysafe.attempt': attempt }
      const span = api.trace.getTracer('retrysafe').startSpan(`retrysafe ${operation}`, { attributes })
      const context = api.trace.setSpan(api.context.active(), span)
      return {
        within: run => api.context.with(context, run),
        ended(recorded) {
          span.setAttribute('retrysafe.outcome', recorded ? 'recorded' : 'failed')
          if (!recorded) span.setStatus({ code: api.SpanStatusCode.ERROR })
          span.end()
        },
      }
    },
  }
}

function makeMeters(api: typeof openTelemetry): Meters {
  const meter = api.metrics.getMeter('retrysafe')
  return {
    calls: meter.createCounter('retrysafe.calls', { description: 'Calls by how they went', unit: '{call}' }),
    takeovers: meter.createCounter('retrysafe.takeovers', {
      description: 'Runs that took over from one that had died',
      unit: '{run}',
    }),
    durations: meter.createHistogram('retrysafe.call.duration', {
      description: 'From a call to its answer',
      unit: 's',
      advice: { explicitBucketBoundaries: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600] },
    }),
  }
}

function outcomeOf(event: Exclude<CallEvent, { type: 'taken over' }>): openTelemetry.Attributes {
  switch (event.type) {
    case 'executed':
      return { 'retrysafe.outcome': event.recorded ? 'executed' : 'failed' }
    case 'refused':
      return { 'retrysafe.outcome': 'refused', 'retrysafe.code': event.code }
    case 'replayed':
    case 'joined':
    case 'unknown':
      return { 'retrysafe.outcome': event.type }
  }
}

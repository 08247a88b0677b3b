import { context, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  type DataPoint,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRetrysafe } from '../../src/index.ts'
import { idempotency } from '../../src/server/index.ts'
import { openTelemetryWith } from '../../src/telemetry.ts'
import { all, refusalOf } from './stage.ts'

const spans = new InMemorySpanExporter()
const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 60_000 })
const meters = new MeterProvider({ readers: [reader] })

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }))
  metrics.setGlobalMeterProvider(meters)
})
afterAll(async () => {
  await meters.shutdown()
  trace.disable()
  metrics.disable()
  context.disable()
})

/** Each point of a metric: its labels, and how many there were. */
async function pointsOf(name: string): Promise<[labels: string, count: number][]> {
  await reader.forceFlush()
  const found =
    measured
      .getMetrics()
      .at(-1)
      ?.scopeMetrics.flatMap(scope => scope.metrics) ?? []
  const points = found
    .filter(metric => metric.descriptor.name === name)
    .flatMap((metric): readonly DataPoint<unknown>[] => metric.dataPoints)
  return points
    .map(({ attributes, value }): [string, number] => [
      Object.values(attributes).join(' '),
      typeof value === 'number' ? value : (value as { count: number }).count,
    ])
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
}

test('calls, durations and spans are told, and neither key nor tenant', async () => {
  const safe = createRetrysafe({ store: 'memory:', openTelemetry: true })
  let runs = 0
  const f = safe.idempotent(
    async (id: string, _?: number) => {
      trace.getTracer('test').startSpan('inner').end()
      if (id === 'secret-bad' && ++runs === 1) throw new Error('x')
      return id
    },
    { name: 'summarize', key: id => id, tenant: () => 'secret-ann' },
  )
  await f('secret-a')
  await f('secret-a')
  expect(await refusalOf(f('secret-a', 1))).toMatch(/^KEY_REUSED /)
  await expect(f('secret-bad')).rejects.toThrow('x')
  await f('secret-bad')
  const expected: [string, number][] = [
    ['summarize executed', 2],
    ['summarize failed', 1],
    ['summarize refused KEY_REUSED', 1],
    ['summarize replayed', 1],
  ]
  expect(await pointsOf('retrysafe.calls')).toEqual(expected)
  expect(await pointsOf('retrysafe.call.duration')).toEqual(expected)
  const told = spans.getFinishedSpans()
  expect(told.map(span => span.name)).toEqual([
    'inner',
    'retrysafe summarize',
    'inner',
    'retrysafe summarize',
    'inner',
    'retrysafe summarize',
  ])
  expect(told.filter(span => span.name !== 'inner').map(span => span.attributes)).toEqual([
    { 'retrysafe.operation': 'summarize', 'retrysafe.attempt': 1, 'retrysafe.outcome': 'recorded' },
    { 'retrysafe.operation': 'summarize', 'retrysafe.attempt': 1, 'retrysafe.outcome': 'failed' },
    { 'retrysafe.operation': 'summarize', 'retrysafe.attempt': 1, 'retrysafe.outcome': 'recorded' },
  ])
  expect(told[0]?.parentSpanContext?.spanId).toBe(told[1]?.spanContext().spanId)
  const said = JSON.stringify([told.map(span => [span.name, span.attributes, span.events]), measured.getMetrics()])
  expect(said).not.toMatch(/secret/)
  await safe.close()
})

test('the span of a stream ends with it, and what its source calls is part of it', async () => {
  spans.reset()
  const safe = createRetrysafe({ store: 'memory:', openTelemetry: true })
  const f = safe.idempotent(
    async function* (_: string) {
      yield 1
      trace.getTracer('test').startSpan('inner').end()
      yield 2
    },
    { name: 'stream', key: id => id },
  )
  expect(await all(f('k'))).toEqual([1, 2])
  const [inner, run] = spans.getFinishedSpans()
  expect([inner?.name, run?.name]).toEqual(['inner', 'retrysafe stream'])
  expect(inner?.parentSpanContext?.spanId).toBe(run?.spanContext().spanId)
  await safe.close()
})

test('control: without the option nothing is told', async () => {
  spans.reset()
  const safe = createRetrysafe({ store: 'memory:' })
  await safe.idempotent(async () => 1, { name: 'silent', key: () => 'k' })()
  expect(spans.getFinishedSpans()).toEqual([])
  expect((await pointsOf('retrysafe.calls')).filter(([labels]) => labels.includes('silent'))).toEqual([])
  await safe.close()
})

test('a package that is missing is named, with the line that installs it', () => {
  expect(() => openTelemetryWith('@opentelemetry/none')).toThrow(
    expect.objectContaining({
      code: 'PEER_MISSING',
      message:
        'createRetrysafe({ openTelemetry: true }) needs the package @opentelemetry/none, which is not installed: npm install @opentelemetry/none',
    }),
  )
})

test('a handler runs in a span of its own', async () => {
  spans.reset()
  const safe = createRetrysafe({ store: 'memory:', openTelemetry: true })
  const handle = idempotency({ safe, tenant: 'single', name: 'chat' }, () => {
    trace.getTracer('test').startSpan('inner').end()
    return new Response('done')
  })
  const ask = (): Promise<Response> =>
    handle(new Request('http://host/chat', { method: 'POST', headers: { 'Idempotency-Key': 'secret' } }))
  await (await ask()).text()
  await (await ask()).text()
  await safe.close()
  const told = spans.getFinishedSpans()
  expect(told.map(({ name }) => name)).toEqual(['inner', 'retrysafe chat'])
  const [inner, run] = told
  expect(inner?.parentSpanContext?.spanId).toBe(run?.spanContext().spanId)
  expect(run?.attributes).toEqual({
    'retrysafe.operation': 'chat',
    'retrysafe.attempt': 1,
    'retrysafe.outcome': 'recorded',
  })
})

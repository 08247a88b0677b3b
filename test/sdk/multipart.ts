import { expect, test } from 'vitest'
import { drawKey, outcomesOf, textOf } from './cases.ts'
import type { End } from './sdk-host.ts'
import { type Subject, startCall } from './subject.ts'

/** What an SDK must see that sends a form: a boundary is new at every attempt. */
export function proveMultipart(subject: Subject): void {
  const { runs } = subject.stage.sandbox.meter

  test('control: without a gateway a retry with one key is a second run', async () => {
    const key = drawKey()
    const first = await startCall(subject, { key, direct: true }).end
    const retry = await startCall(subject, { key, direct: true }).end
    expect([first.kind, retry.kind]).toEqual(['answered', 'answered'])
    expect(boundariesOf(first, retry)).toBe(2)
    expect(await runs(key)).toBe(2)
  })

  test('a retry has a new boundary, so other bytes, and gets the first answer, byte for byte', async () => {
    const key = drawKey()
    const first = await startCall(subject, { key }).end
    const retry = await startCall(subject, { key }).end
    expect([first.kind, retry.kind]).toEqual(['answered', 'answered'])
    expect(boundariesOf(first, retry)).toBe(2)
    expect([first, retry].map(outcomesOf)).toEqual([['executed'], ['replayed']])
    expect(retry.exchanges[0]?.body).toBe(first.exchanges[0]?.body)
    expect(await runs(key)).toBe(1)
  })

  if (subject.afterTimeout === 'retries') {
    test('the retry that the SDK makes when it has waited too long has one, too: one run', async () => {
      const key = drawKey()
      const end = await startCall(subject, { key, fault: 'delay=800ms', timeoutMs: 400, retries: 3 }).end
      expect(end.kind).toBe('answered')
      expect(boundariesOf(end)).toBe(end.exchanges.length)
      expect(end.exchanges.length).toBeGreaterThan(1)
      expect(await runs(key)).toBe(1)
    })
  }

  test('another file under the same key is refused', async () => {
    const key = drawKey()
    await textOf(startCall(subject, { key }))
    const other = await startCall(subject, { key, text: 'HELLO', retries: 2 }).end
    expect(other).toMatchObject({ kind: 'failed', status: 422 })
    expect(other.exchanges).toHaveLength(1)
    expect(await runs(key)).toBe(1)
  })
}

/** How many different boundaries went out. */
function boundariesOf(...ends: readonly End[]): number {
  const contentTypes = ends.flatMap(end => end.exchanges.map(exchange => exchange.contentType ?? ''))
  return new Set(contentTypes.map(value => /^multipart\/form-data; boundary=(.+)$/.exec(value)?.[1])).size
}

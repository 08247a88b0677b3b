import { describe, expect, test } from 'vitest'
import { chat, keyed, openAi, streamedChat } from '../support/sdk.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()
const direct = openAi(sandbox.url)
const client = openAi(gateway.url)
const callers = Array.from({ length: 60 })

interface Result {
  readonly outcome: string | null
  readonly replayed: string | null
  readonly bytes: string
}

/** All sixty at once, each on a connection of its own. */
function callAtOnce(
  calls: typeof client,
  body: ReturnType<typeof chat>,
  key: string,
  fault: string,
): Promise<Result[]> {
  return Promise.all(
    callers.map(async () => {
      const response = await calls.chat.completions.create(body, keyed(key, fault)).asResponse()
      const bytes = Buffer.from(await response.arrayBuffer()).toString('base64')
      const { headers } = response
      return { outcome: headers.get('retrysafe-outcome'), replayed: headers.get('idempotent-replayed'), bytes }
    }),
  )
}

function count(results: readonly Result[], outcome: string, replayed: string | null): number {
  return results.filter(result => result.outcome === outcome && result.replayed === replayed).length
}

describe.each([
  ['plain', chat('hello'), 'delay=300ms'],
  ['stream', streamedChat('one two three four five six seven eight'), 'gap=25ms'],
])('sixty callers at once, one key, %s', (kind, body, fault) => {
  test('control: without a gateway they are sixty runs', async () => {
    const results = await callAtOnce(direct, body, kind, fault)
    expect(new Set(results.map(result => result.bytes)).size).toBe(60)
    expect(await sandbox.meter.runs(kind)).toBe(60)
  })

  test('are one run and sixty times its answer', async () => {
    const results = await callAtOnce(client, body, kind, fault)
    expect(results).toHaveLength(60)
    expect(new Set(results.map(result => result.bytes)).size).toBe(1)
    expect(Buffer.from(results[0]?.bytes ?? '', 'base64').toString()).toContain('chatcmpl-sandbox-1')
    expect(count(results, 'executed', null)).toBe(1)
    expect(count(results, 'joined', 'true') + count(results, 'replayed', 'true')).toBe(59)
    // Who came while it ran has joined: at least one in sixty does.
    expect(count(results, 'joined', 'true')).toBeGreaterThan(0)
    expect(await sandbox.meter.runs(kind)).toBe(1)
  })
})

import { afterAll, describe, expect, test } from 'vitest'
import type { Store } from '../../../packages/retrysafe/src/engine/store.ts'
import { openLink } from '../../../packages/retrysafe/src/stores/redis/open-link.ts'
import { readSettings } from '../../../packages/retrysafe/src/stores/redis/settings.ts'
import { openRedisStore } from '../../../packages/retrysafe/src/stores/redis/store.ts'
import { ManualServerClock } from '../../../packages/retrysafe/test/stores/redis/manual-link.ts'
import { eventually } from '../../support/eventually.ts'
import { startRedis } from '../../support/redis/server.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import { type CutStep, type Stage, viewOf } from '../cut-stage.ts'
import { cutSteps } from '../cut-steps.ts'

const server = await startRedis()
afterAll(() => server.discard())
const proxy = await startTcpProxy(server)
afterAll(() => proxy.stop())
const clock = new ManualServerClock()

/** Where a connection is cut: whose bytes, and how many of them still arrive. */
const cuts = [
  { when: 'in mid-command', side: 'client', bytes: 20, isMade: false },
  { when: 'before the answer', side: 'server', bytes: 0, isMade: true },
  { when: 'in mid-answer', side: 'server', bytes: 1, isMade: true },
] as const

/** The server removes what has expired by itself: there is nothing to sweep. */
const steps: readonly CutStep[] = cutSteps.map(step =>
  step.name === 'sweep' ? { ...step, first: 0, again: 0, left: viewOf } : step,
)

let prefixes = 0

function open(url: string, library: 'ioredis' | 'redis', prefix: string): Store {
  return openRedisStore(readSettings({ url, library, prefix, warn: () => {} }), (settings, terms) =>
    clock.wrap(openLink(settings, terms)),
  )
}

/** The whole of a text, the named part of an object. */
function expectLike(answer: unknown, expected: unknown): void {
  if (typeof expected === 'object') expect(answer).toMatchObject(expected as object)
  else expect(answer).toBe(expected)
}

/** Of several commands on one connection some may have arrived, and some not. */
function expectEach(answers: unknown, { first, again = first }: CutStep): void {
  const [firsts, agains] = [first as object[], again as object[]]
  expect(answers).toHaveLength(firsts.length)
  for (const [at, answer] of (answers as unknown[]).entries()) {
    const choices = [firsts[at], agains[at]].map(one =>
      typeof one === 'object' ? expect.objectContaining(one) : (one as unknown),
    )
    expect(choices).toContainEqual(answer)
  }
}

describe.each(['ioredis', 'redis'] as const)('over %s', library => {
  describe.each(cuts)('cut $when, the store sends it again', ({ when, side, bytes, isMade }) => {
    test.each(steps)('$name', async step => {
      prefixes += 1
      const store = open(proxy.through(server.url), library, `cut${prefixes}`)
      const direct = open(server.url, library, `cut${prefixes}`)
      try {
        const name = `${step.name} ${when}`
        const stage: Stage = { store, direct, name, pass: async ms => clock.pass(ms) }
        // The connection is there.
        await store.now()
        const send = await step.prepare(stage)
        const cut = proxy.cutAfter(side, bytes)
        const [answer] = await Promise.all([send(), cut])
        if (Array.isArray(step.first) && step.name !== 'list') expectEach(answer, step)
        else expectLike(answer, isMade && step.again !== undefined ? step.again : step.first)
        expectLike(await step.left(stage), step.leaves)
      } finally {
        await Promise.all([store.close(), direct.close()])
      }
    })
  })
})

test('every connection that was cut is gone', async () => {
  expect(proxy.counts().connections).toBeGreaterThan(6 * steps.length)
  await eventually(() => proxy.counts().open).toBe(0)
})

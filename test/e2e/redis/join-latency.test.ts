import type { ServerResponse } from 'node:http'
import { afterAll, describe, expect, test } from 'vitest'
import { type Arrivals, followArrivals } from '../../support/arrivals.ts'
import { eventually } from '../../support/eventually.ts'
import { ask, open, problemOf, type Question } from '../../support/exchange.ts'
import { type Gateway, startOneGateway } from '../../support/gateway.ts'
import { quantile, spread } from '../../support/process-figures.ts'
import { recordOf } from '../../support/records.ts'
import { startRedisCluster } from '../../support/redis/cluster.ts'
import { startRedis } from '../../support/redis/server.ts'
import { startUpstream } from '../../support/upstream.ts'

const [server, cluster] = await Promise.all([startRedis(), startRedisCluster()])
afterAll(() => Promise.all([server.discard(), cluster.discard()]))
const held: ServerResponse[] = []
const upstream = await startUpstream(response => void held.push(response))
afterAll(upstream.stop)

const joins = 40
const framesLater = 4

/**
 * The median of the first byte: 30 ms, of which 10 are those that bytes wait before they go to the store. A machine that
 * is busy with other things shows in what a join in one process takes, 2 to 4 ms otherwise.
 */
function mostMs(aloneMs: readonly number[]): number {
  return Math.max(30, 10 + 5 * quantile(aloneMs, 0.5))
}

function questionOf(key: string, more: Record<string, string> = {}): Question {
  return { headers: { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, ...more }, body: '{}' }
}

/** A call that the upstream has, and has not answered yet. */
async function begin(url: string, key: string): Promise<{ first: ReturnType<typeof open>; answer: ServerResponse }> {
  held.length = 0
  const first = open(`${url}/stream`, questionOf(key))
  await eventually(() => held.length).toBe(1)
  const [answer] = held
  if (answer === undefined) throw new Error('the upstream has no request')
  return { first, answer }
}

async function joinAt(url: string, key: string): Promise<Arrivals> {
  const response = await open(`${url}/stream`, questionOf(key))
  expect(response.headers['retrysafe-outcome']).toBe('joined')
  return followArrivals(response)
}

function sayFrame(answer: ServerResponse, frame: number): void {
  answer.write(`data: frame ${frame}\n\n`)
}

function sayFirst(answer: ServerResponse): void {
  answer.writeHead(200, { 'Content-Type': 'text/event-stream' })
  sayFrame(answer, 0)
}

async function sinceMs(startedMs: number, end: Promise<unknown>): Promise<number> {
  await end
  return performance.now() - startedMs
}

describe.each([
  ['a single server', server.url],
  ['a cluster', cluster.url],
])('a joiner in another gateway on %s', async (where, store) => {
  const start = () => startOneGateway(upstream.url, ['--store', store])
  const [runner, other] = await Promise.all([start(), start()])
  afterAll(() => Promise.all([runner.stop(), other.stop()]))

  function report(name: string, firstMs: readonly number[], aloneMs: readonly number[], more = ''): void {
    console.log(`join on ${where}, ${name}: first byte ${spread(firstMs)}; in one process ${spread(aloneMs)}${more}`)
    expect([firstMs.length, aloneMs.length]).toEqual([40, 40])
    expect(quantile(firstMs, 0.5)).toBeLessThanOrEqual(mostMs(aloneMs))
  }

  /** A call whose first caller has its first byte, and its joiners, from asking to their first byte. */
  async function joinUnderWay(key: string, isReady: () => Promise<void>): Promise<[firstMs: number, aloneMs: number]> {
    const { first, answer } = await begin(runner.url, key)
    sayFirst(answer)
    await followArrivals(await first).until('frame 0\n\n')
    await isReady()
    const bodies: Arrivals[] = []
    const join = async ({ url }: Gateway): Promise<void> => {
      const body = await joinAt(url, key)
      await body.until('frame 0\n\n')
      bodies.push(body)
    }
    const firstMs = await sinceMs(performance.now(), join(other))
    const aloneMs = await sinceMs(performance.now(), join(runner))
    answer.end('data: [DONE]\n\n')
    await Promise.all(bodies.map(body => body.until('[DONE]\n\n')))
    return [firstMs, aloneMs]
  }

  test.each([
    [
      'under way',
      (key: string) => eventually(async () => (await recordOf(other.admin, key))?.lengthBytes).toBeGreaterThan(0),
    ],
    ['just begun', async () => {}],
  ])('of a run %s has its first byte within 30 ms of asking', async (name, isReady) => {
    const firstMs: number[] = []
    const aloneMs: number[] = []
    for (let count = 0; count < joins; count++) {
      const key = `${name.replace(' ', '-')}-${count}`
      const [first, alone] = await joinUnderWay(key, () => isReady(key))
      firstMs.push(first)
      aloneMs.push(alone)
    }
    report(name, firstMs, aloneMs)
  })

  test('that waits for the head has its first byte within 30 ms of the upstream’s, and so the next ones', async () => {
    const firstMs: number[] = []
    const aloneMs: number[] = []
    const laterMs: number[] = []
    for (let count = 0; count < joins; count++) {
      const key = `before-the-head-${count}`
      const { first, answer } = await begin(runner.url, key)
      const joined = joinAt(other.url, key)
      const hurried = await ask(`${other.url}/stream`, questionOf(key, { 'Retrysafe-Wait': '0' }))
      // It was sent later: that one waits by now.
      expect(problemOf(hurried)).toMatchObject({ code: 'IN_FLIGHT' })
      const saidMs = performance.now()
      sayFirst(answer)
      const alone = first.then(response => followArrivals(response).until('frame 0\n\n'))
      const [itsMs, aloneItsMs] = await Promise.all([
        sinceMs(
          saidMs,
          joined.then(body => body.until('frame 0\n\n')),
        ),
        sinceMs(saidMs, alone),
      ])
      firstMs.push(itsMs)
      aloneMs.push(aloneItsMs)
      const body = await joined
      for (let frame = 1; frame <= framesLater; frame++) {
        const sentMs = performance.now()
        sayFrame(answer, frame)
        laterMs.push(await sinceMs(sentMs, body.until(`frame ${frame}\n\n`)))
      }
      answer.end('data: [DONE]\n\n')
      await body.until('[DONE]\n\n')
    }
    report('before the head', firstMs, aloneMs, `; later bytes ${spread(laterMs)}`)
    expect(laterMs).toHaveLength(160)
    expect(quantile(laterMs, 0.5)).toBeLessThanOrEqual(mostMs(aloneMs))
  })
})

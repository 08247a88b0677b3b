import type { IncomingMessage, ServerResponse } from 'node:http'
import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { ask, open, problemOf, type Question } from '../../support/exchange.ts'
import { startOneGateway } from '../../support/gateway.ts'
import { startPgBouncer } from '../../support/postgres/bouncer.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { quantile, spread } from '../../support/process-figures.ts'
import { startUpstream } from '../../support/upstream.ts'

const server = await startPostgres()
afterAll(server.stop)
const bouncer = await startPgBouncer(server, { poolMode: 'transaction' })
afterAll(bouncer.stop)
const held: ServerResponse[] = []
const upstream = await startUpstream(response => void held.push(response))
afterAll(upstream.stop)

const joins = 12
const framesEach = 8

/** Bytes of a body as they arrive. */
function arrivals(response: IncomingMessage): { until(text: string): Promise<void> } {
  let seen = ''
  let look = (): void => {}
  response.setEncoding('utf8').on('data', (piece: string) => {
    seen += piece
    look()
  })
  return {
    until: text =>
      new Promise(resolve => {
        look = () => seen.includes(text) && resolve()
        look()
      }),
  }
}

async function sinceMs(startedMs: number, end: Promise<unknown>): Promise<number> {
  await end
  return performance.now() - startedMs
}

test.each([
  ['by notification', (url: string) => url],
  ['through PgBouncer, by polling', (url: string) => bouncer.through(url)],
])('a join in another gateway follows: %s', async (way, reach) => {
  const url = await server.createDatabase()
  await migrate({ url })
  const start = () => startOneGateway(upstream.url, ['--store', reach(url)])
  const [runner, other] = await Promise.all([start(), start()])
  onTestFinished(runner.stop)
  onTestFinished(other.stop)
  const firstMs: number[] = []
  const laterMs: number[] = []
  for (let count = 0; count < joins; count++) {
    const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': `join-${count}` }
    const question: Question = { headers, body: '{}' }
    held.length = 0
    const first = open(`${runner.url}/stream`, question)
    await eventually(() => held.length).toBe(1)
    const joined = open(`${other.url}/stream`, question)
    const hurried = await ask(`${other.url}/stream`, { ...question, headers: { ...headers, 'Retrysafe-Wait': '0' } })
    // It was sent later: that one waits by now.
    expect(problemOf(hurried)).toMatchObject({ code: 'IN_FLIGHT' })

    const [answer] = held
    if (answer === undefined) throw new Error('the upstream has no request')
    const startedMs = performance.now()
    answer.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: frame 0\n\n')
    const body = joined.then(response => {
      expect(response.headers['retrysafe-outcome']).toBe('joined')
      return arrivals(response)
    })
    firstMs.push(
      await sinceMs(
        startedMs,
        body.then(bytes => bytes.until('frame 0\n\n')),
      ),
    )
    for (let frame = 1; frame < framesEach; frame++) {
      const sentMs = performance.now()
      answer.write(`data: frame ${frame}\n\n`)
      laterMs.push(await sinceMs(sentMs, (await body).until(`frame ${frame}\n\n`)))
    }
    answer.end()
    ;(await first).resume()
  }
  console.log(`join, ${way}: first byte ${spread(firstMs)}; later ones ${spread(laterMs)}`)
  expect(firstMs).toHaveLength(12)
  expect(laterMs).toHaveLength(84)
  // Bytes that nobody is known to follow may wait for 250 ms; then every 10 ms.
  expect(quantile(firstMs, 0.5)).toBeLessThan(1_000)
  expect(quantile(laterMs, 0.5)).toBeLessThan(300)
})

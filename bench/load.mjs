import { setTimeout as pause } from 'node:timers/promises'
import autocannon from 'autocannon'

const connections = 32
const body = JSON.stringify({ model: 'bench', prompt: 'p'.repeat(1_024 - 30) })

/**
 * Posts 1 KiB from 32 connections for some seconds.
 *
 * @param {string} url
 * @param {number} seconds
 * @param {(number: number) => string} keyOf the idempotency key of each request, by its number
 * @returns {Promise<{ perSecond: number, answered: number, p50Ms: number, p99Ms: number }>}
 */
export async function load(url, seconds, keyOf) {
  let number = 0
  let result = await measure(seconds)
  // On a busy machine a short time may end before its first answer.
  for (let longer = 2; result['2xx'] === 0 && longer <= 32; longer *= 2) result = await measure(seconds * longer)
  return {
    perSecond: result['2xx'] / result.duration,
    answered: result['2xx'],
    sent: number,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
  }

  async function measure(forSeconds) {
    const measured = await autocannon(settings(url, forSeconds, () => keyOf(number++)))
    const { non2xx, errors, timeouts } = measured
    if (non2xx + errors + timeouts > 0)
      throw new Error(`${url}: ${non2xx} refused, ${errors} errors, ${timeouts} time-outs`)
    return measured
  }
}

function settings(url, seconds, nextKey) {
  return {
    url: `${url}/v1/things`,
    connections,
    duration: seconds,
    // It looks at the time only that often; its own is a second.
    sampleInt: Math.min(1_000, seconds * 1_000),
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer sk-bench' },
    body,
    requests: [
      {
        setupRequest: request => ({
          ...request,
          headers: { ...request.headers, 'idempotency-key': nextKey() },
        }),
      },
    ],
  }
}

/** The same once nothing is on its way any more that a load generator has hung up on. */
export async function executedAtRest(url) {
  let before
  let now = await executedBy(url)
  for (let looks = 0; now !== before && looks < 50; looks++) {
    before = now
    await pause(100)
    now = await executedBy(url)
  }
  return now
}

/** What a bare server has executed so far. */
export async function executedBy(url) {
  return Number(await (await fetch(url)).text())
}

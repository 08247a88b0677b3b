/**
 * So many callers, each of which calls again as soon as it has its answer, for some time.
 *
 * @param {() => Promise<unknown>} call
 * @returns {Promise<{ perSecond: number, answered: number, p50Ms: number, p99Ms: number }>}
 */
export async function drive(call, callers, forMs) {
  const latencies = []
  const started = performance.now()
  const until = started + forMs
  const callOn = async () => {
    for (let at = performance.now(); at < until; ) {
      await call()
      const answeredAt = performance.now()
      latencies.push(answeredAt - at)
      at = answeredAt
    }
  }
  await Promise.all(Array.from({ length: callers }, callOn))
  return latencyFigures(latencies, performance.now() - started)
}

/** The figures of so many calls within so long. */
export function latencyFigures(latencies, tookMs) {
  latencies.sort((one, other) => one - other)
  const quantile = share => Math.round(latencies[Math.floor(latencies.length * share)] * 100) / 100
  return {
    perSecond: latencies.length / (tookMs / 1_000),
    answered: latencies.length,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  }
}

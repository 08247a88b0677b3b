/**
 * Drops items as long as what is left still fails: first large runs of them, then smaller ones, at last one by one
 * until no single item can go. The order is kept.
 *
 * @param items a list that fails; when it does not by itself, nothing is dropped that would matter
 * @param fails plays a list from the beginning and answers whether it still fails; may be called many times
 * @param maxRuns how often `fails` may be called. Default 2_000. The best list so far is answered then.
 */
export async function shrink<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
  maxRuns = 2_000,
): Promise<T[]> {
  let best = [...items]
  let runs = 0
  let width = Math.max(1, Math.floor(best.length / 2))
  for (;;) {
    let dropped = false
    // From the end: what comes late depends on what came before, seldom the other way round.
    for (let end = best.length; end > 0; ) {
      if (runs >= maxRuns) return best
      const start = Math.max(0, end - width)
      const candidate = [...best.slice(0, start), ...best.slice(end)]
      runs += 1
      if (await fails(candidate)) {
        best = candidate
        dropped = true
      }
      end = start
    }
    if (width > 1) width = Math.floor(width / 2)
    else if (!dropped) return best
  }
}

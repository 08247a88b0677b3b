/** Longer ones are nobody's slip. */
const maxLength = 64

/** The name that was probably meant: at most a third of its letters are others. */
export function nearestName(given: string, names: Iterable<string>): string | undefined {
  if (given.length > maxLength) return undefined
  let nearest: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const name of names) {
    const distance = editsBetween(given.toLowerCase(), name.toLowerCase())
    if (distance < least && distance <= Math.max(1, Math.floor(name.length / 3))) {
      nearest = name
      least = distance
    }
  }
  return nearest
}

/** Letters to put in, to take out, to change, or to swap with the next one. */
function editsBetween(one: string, other: string): number {
  let before: number[] = []
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let at = 1; at <= one.length; at++) {
    const next = [at]
    for (let to = 1; to <= other.length; to++) {
      const changed = (row[to - 1] ?? 0) + (one[at - 1] === other[to - 1] ? 0 : 1)
      const isSwap = one[at - 1] === other[to - 2] && one[at - 2] === other[to - 1]
      const swapped = isSwap ? (before[to - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY
      next.push(Math.min(changed, swapped, (row[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1))
    }
    before = row
    row = next
  }
  return row[other.length] ?? 0
}

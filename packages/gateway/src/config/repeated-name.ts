const token = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g

/**
 * A name that one object of a JSON document has twice: `JSON.parse` keeps the last of its values, and nobody would hear
 * of the others.
 *
 * @param text valid JSON
 * @returns `offset`: where its second place begins
 */
export function findRepeatedName(text: string): { name: string; offset: number } | undefined {
  /** Of each open object its names so far, of each open array nothing. */
  const open: (Set<string> | undefined)[] = []
  let last: { written: string; offset: number } | undefined
  for (const { 0: written, index: offset } of text.matchAll(token)) {
    switch (written) {
      case '{':
        open.push(new Set())
        break
      case '[':
        open.push(undefined)
        break
      case '}':
      case ']':
        open.pop()
        break
      case ':': {
        const name = String(JSON.parse(last?.written ?? '""'))
        const names = open.at(-1)
        if (names?.has(name)) return { name, offset: last?.offset ?? offset }
        names?.add(name)
        break
      }
      default:
        last = { written, offset }
    }
  }
  return undefined
}

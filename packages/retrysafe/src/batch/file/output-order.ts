import { open } from 'node:fs/promises'
import { FileDraft } from './file-draft.ts'
import type { CheckedInput } from './input-check.ts'
import { readJsonlLines } from './jsonl-lines.ts'
import { readOutputLine } from './output-line.ts'

/**
 * Puts the lines of an output into the order of the input, in about 20 bytes of memory an item, by a new file in its
 * place. Whoever dies in between leaves it in the order in which its items were done.
 *
 * @param placesInOrder the place of each item's key, as the input has them
 * @param tag of `batchTag`
 */
export async function orderOutput(
  path: string,
  tag: string,
  { keys, total }: CheckedInput,
  placesInOrder: AsyncIterable<number>,
): Promise<void> {
  const starts = new Float64Array(total)
  const lengths = new Uint32Array(total)
  let lineCount = 0
  for await (const { bytes, offsetBytes, endBytes } of readJsonlLines(path, Number.MAX_SAFE_INTEGER)) {
    lineCount++
    const line = readOutputLine(bytes, tag)
    const place = line.kind === 'ours' ? keys.placeOf(line.keyHash) : undefined
    if (place === undefined) continue
    starts[place] = offsetBytes
    lengths[place] = endBytes - offsetBytes
  }
  const source = await open(path, 'r')
  const draft = await FileDraft.begin(path)
  try {
    let last = -1
    let isInOrder = true
    for await (const place of placesInOrder) {
      const lengthBytes = lengths[place] ?? 0
      if (lengthBytes === 0) continue
      const start = starts[place] ?? 0
      isInOrder &&= start > last
      last = start
      await draft.addRange(source, start, lengthBytes)
      lineCount--
    }
    // Better in another order than without one of them.
    if (lineCount !== 0) throw new Error(`${path}: ${lineCount} lines are of no item of the input`)
    if (isInOrder) await draft.discard()
    else await draft.replace()
  } catch (error) {
    await draft.discard()
    throw error
  } finally {
    await source.close()
  }
}

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { BatchFiles } from '../../../src/batch/file/batch-files.ts'
import { keyOf } from '../../../src/batch/file/comparison.ts'
import { type CheckedInput, checkInput } from '../../../src/batch/file/input-check.ts'
import { answerLine, batchTag, outputId } from '../../../src/batch/file/output-line.ts'
import { orderOutput } from '../../../src/batch/file/output-order.ts'
import { readPlacedLines } from '../../../src/batch/file/placed-lines.ts'
import { inputLine, makeFolder } from '../folder.ts'

const good = [inputLine('a'), inputLine('b'), inputLine('c')]

async function checked(): Promise<{ files: BatchFiles; input: CheckedInput }> {
  const folder = makeFolder()
  const at = (name: string): string => join(folder, name)
  const files = { input: at('in'), output: at('out'), errors: at('err'), status: at('status'), batchId: 'b' }
  writeFileSync(files.input, good.join('\n'))
  return { files, input: await checkInput({ path: files.input, keyOf: line => keyOf('b', line) }) }
}

async function idsOf(files: BatchFiles, input: CheckedInput): Promise<string[]> {
  const ids: string[] = []
  for await (const { line } of readPlacedLines(files, input)) ids.push(line.customId)
  return ids
}

test('an input that was checked is read again line by line, also in another order', async () => {
  const { files, input } = await checked()
  expect(await idsOf(files, input)).toEqual(['a', 'b', 'c'])
  writeFileSync(files.input, good.toReversed().join('\n'))
  expect(await idsOf(files, input)).toEqual(['c', 'b', 'a'])
})

test.each([
  ['a line is missing', good.slice(1)],
  ['a line is there twice', [good[0], good[0], good[2]]],
  ['a line is new', [...good, inputLine('d')]],
  ['a line is another', [good[0], inputLine('b', 'other'), good[2]]],
  ['a line is no JSON', [good[0], '{', good[2]]],
])('an input is not the one that was checked when %s', async (_, lines) => {
  const { files, input } = await checked()
  writeFileSync(files.input, lines.join('\n'))
  await expect(idsOf(files, input)).rejects.toThrow(`${files.input} has changed while the batch ran`)
})

test('an output is put in order whole, or left as it is', async () => {
  const { files, input } = await checked()
  const tag = batchTag('b')
  const lines: string[] = []
  const places: number[] = []
  for await (const { line, place } of readPlacedLines(files, input)) {
    const answer = { status: 200, requestId: undefined, body: `"${line.customId}"`, replayed: false }
    lines.push(answerLine(outputId(tag, keyOf('b', line)), line.customId, answer))
    places.push(place)
  }
  async function* inOrder(): AsyncGenerator<number> {
    yield* places
  }
  const [a, b, c] = lines
  writeFileSync(files.output, `${c}${a}${b}`)
  await orderOutput(files.output, tag, input, inOrder())
  expect(readFileSync(files.output, 'utf8')).toBe(`${a}${b}${c}`)
  const strange = `${c}my note\n${a}`
  writeFileSync(files.output, strange)
  await expect(orderOutput(files.output, tag, input, inOrder())).rejects.toThrow('1 lines are of no item of the input')
  expect(readFileSync(files.output, 'utf8')).toBe(strange)
})

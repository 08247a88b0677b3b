import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { HashList } from '../../../src/batch/file/hash-list.ts'
import { type CheckedInput, checkInput } from '../../../src/batch/file/input-check.ts'
import { inputLine, makeFolder, writeInput } from '../folder.ts'

function check(text: string | Uint8Array, onItem?: () => string | undefined): Promise<CheckedInput> {
  const path = writeInput(text)
  return checkInput({ path, keyOf: line => line.customId, ...(onItem !== undefined && { onItem }) })
}

test('good input is counted, and its keys can be asked for', async () => {
  const { total, keys, unknown } = await check(`${inputLine('a')}\n\n${inputLine('b')}`)
  expect([total, unknown]).toEqual([2, undefined])
  expect(keys.placeOf(hash('sha256', 'a', 'hex'))).toBeTypeOf('number')
  expect(keys.placeOf(hash('sha256', 'c', 'hex'))).toBeUndefined()
})

test('all problems are told by line, and nothing else', async () => {
  const input = [inputLine('a'), '{', inputLine('b'), inputLine('a'), inputLine('c').replace('POST', 'PUT'), '{"cus']
  await expect(check(input.join('\n'))).rejects.toMatchObject({
    name: 'RetrysafeError',
    code: 'CONFIG_INVALID',
    problemCount: 4,
    problems: [
      { lineNumber: 2, message: expect.stringContaining('it is no JSON') },
      { lineNumber: 4, message: 'custom_id "a" stands on line 1 already' },
      { lineNumber: 5, message: 'method takes "POST", not "PUT"' },
      { lineNumber: 6, message: expect.stringContaining('the file seems to be cut off here') },
    ],
    message: expect.stringMatching(/in\.jsonl: 4 lines cannot be run; nothing was sent\n {2}line 2: it is no JSON/),
  })
})

test('of many problems the first 20 are told, and how many more there are', async () => {
  const lines = Array.from({ length: 50 }, (_, index) => inputLine(`id-${index % 25}`))
  const error = await check(lines.join('\n')).catch(thrown => thrown)
  expect(error.problems).toHaveLength(20)
  expect(error.problems[0]).toEqual({ lineNumber: 26, message: 'custom_id "id-0" stands on line 1 already' })
  expect(error.problemCount).toBe(25)
  expect(error.message).toContain('\n  and 5 more')
})

test('what the caller has against a line is a problem, too', async () => {
  await expect(check(inputLine('a'), () => 'no price')).rejects.toMatchObject({
    problems: [{ lineNumber: 1, message: 'no price' }],
  })
})

test('an empty file, no file, a folder and a file without rights are refused', async () => {
  await expect(check('\n \n')).rejects.toThrow(/in\.jsonl is empty: there is no item in it$/)
  const keyOf = (): string => ''
  const folder = makeFolder()
  await expect(checkInput({ path: `${folder}/no`, keyOf })).rejects.toThrow('cannot be read: there is no such file')
  await expect(checkInput({ path: folder, keyOf })).rejects.toThrow(`${folder} is no file`)
})

test('of hashes that are there more than once, each is said once', () => {
  const list = new HashList()
  const [one, two, three] = ['00000000ffffffff', 'ffffffff00000000', '0000000100000002']
  for (const hex of [one, two, three, two, one, two]) list.add(`${hex}abc`)
  list.seal()
  expect([...list.repeated(10)]).toEqual([one, two])
  expect([...list.repeated(1)]).toEqual([one])
  expect([list.length, list.placeOf(one), list.placeOf(three), list.placeOf(two)]).toEqual([6, 0, 2, 3])
})

test('a list of 200,000 hashes finds each of them and no other', () => {
  const list = new HashList()
  const hex = (number: number): string => hash('sha256', String(number), 'hex')
  for (let number = 0; number < 200_000; number++) list.add(hex(number))
  list.seal()
  const places = new Set<number | undefined>()
  for (let number = 0; number < 200_000; number++) places.add(list.placeOf(hex(number)))
  expect(places.size).toBe(200_000)
  expect(places.has(undefined)).toBe(false)
  for (let number = 200_000; number < 210_000; number++) expect(list.placeOf(hex(number))).toBeUndefined()
  expect(list.repeated(1).size).toBe(0)
})

import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { HashTable } from '../../src/batch/hash-table.ts'

const of = (text: string): Buffer => hash('sha256', text, 'buffer')

test('the first value of a hash stays, through every growth', () => {
  const table = new HashTable()
  for (let index = 0; index < 20_000; index++) expect(table.put(of(`id ${index}`), index)).toBeUndefined()
  for (let index = 0; index < 20_000; index++) expect(table.put(of(`id ${index}`), 7)).toBe(index)
  expect(table.size).toBe(20_000)
})

test('hashes that share their first 96 bits are two', () => {
  const table = new HashTable()
  const [one, other] = [Buffer.alloc(16, 1), Buffer.alloc(16, 1)]
  other[15] = 2
  table.put(one, 0)
  expect(table.put(other, 1)).toBeUndefined()
  expect([table.put(one, 9), table.put(other, 9)]).toEqual([0, 1])
})

test('counts how often a hash comes', () => {
  const table = new HashTable()
  const counts = ['a', 'b', 'a', 'a', 'b'].map(text => table.count(of(text)))
  expect(counts).toEqual([1, 1, 2, 3, 2])
})

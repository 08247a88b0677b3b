import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LineFile } from '../../../src/batch/file/line-file.ts'
import { processSurroundings } from '../../../src/engine/surroundings.ts'
import { makeFolder } from '../folder.ts'

const { clock } = processSurroundings
const unexpected = (error: unknown): void => {
  throw error
}

test('lines are appended in order behind what stays of the file', async () => {
  const path = join(makeFolder(), 'out')
  writeFileSync(path, `kept\n${'torn'.repeat(100)}`)
  const file = await LineFile.open(path, 5, clock, unexpected)
  for (const line of ['é\n', 'b\n', 'c\n']) expect(file.append(line)).toBeUndefined()
  await Promise.resolve()
  file.append('d\n')
  await file.close()
  expect(readFileSync(path, 'utf8')).toBe('kept\né\nb\nc\nd\n')
})

test('who appends faster than the disk writes is told to wait', async () => {
  const path = join(makeFolder(), 'out')
  const file = await LineFile.create(path, clock, unexpected)
  const line = `${'x'.repeat(1_048_575)}\n`
  let waits = 0
  for (let count = 0; count < 20; count++) {
    const wait = file.append(line)
    if (wait !== undefined) waits++
    await wait
  }
  expect(waits).toBe(2)
  await file.close()
  expect(readFileSync(path, 'utf8')).toBe(line.repeat(20))
})

test('a file that is there is not created', async () => {
  const path = join(makeFolder(), 'out')
  writeFileSync(path, 'x')
  await expect(LineFile.create(path, clock, unexpected)).rejects.toMatchObject({ code: 'EEXIST' })
  expect(readFileSync(path, 'utf8')).toBe('x')
})

import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { takeWarnings } from '../../../src/cli/batch/process-warnings.ts'

test('a warning of the process is told, by nobody else, until it is given back', async () => {
  const before = process.listeners('warning')
  const told: string[] = []
  const giveBack = takeWarnings(message => told.push(message))
  expect(process.listeners('warning')).toHaveLength(1)
  process.emitWarning('the server keeps nothing', 'RetrysafeWarning')
  process.emitWarning('something is old', 'SomeWarning')
  // Node tells them in the next turn.
  await turn()
  giveBack()
  expect(told).toEqual(['the server keeps nothing', 'SomeWarning: something is old'])
  expect(process.listeners('warning')).toEqual(before)
})

import { expect, test } from 'vitest'
import { toolCallIn } from '../../src/sandbox/endpoints/tool-call.ts'

const openaiTools = [{ type: 'function', function: { name: 'weather' } }]

test.each([
  ['call weather {"city":"Rome"}', '{"city":"Rome"}'],
  ['please call weather', '{}'],
  ['call weather now', '{}'],
  ['call weather [1]', '{}'],
])('%s', (text, argumentsText) => {
  const said = [{ role: 'user', text }]
  expect(toolCallIn(openaiTools, said)).toEqual({ name: 'weather', argumentsText })
  expect(toolCallIn([{ name: 'weather' }], said)).toEqual({ name: 'weather', argumentsText })
})

test('no call without tools, of another tool, or when the user did not speak last', () => {
  const said = [{ role: 'user', text: 'call weather' }]
  expect(toolCallIn(undefined, said)).toBe(undefined)
  expect(toolCallIn([{ name: 'mail' }, null], said)).toBe(undefined)
  expect(toolCallIn(openaiTools, [{ role: 'user', text: 'recall weather' }])).toBe(undefined)
  expect(toolCallIn(openaiTools, [...said, { role: 'tool', text: 'sunny' }])).toBe(undefined)
})

import { expect, test } from 'vitest'
import { askTwice } from '../../examples/openai-sdk/one-run.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()

test('examples/openai-sdk: two answers, one run', async () => {
  expect(await askTwice(gateway.url, 'sk-example')).toEqual(['chatcmpl-sandbox-1', 'chatcmpl-sandbox-1'])
  expect(await sandbox.meter.runs('order-42')).toBe(1)
})

test('control: without the gateway, two runs', async () => {
  expect(await askTwice(sandbox.url, 'sk-example')).toEqual(['chatcmpl-sandbox-1', 'chatcmpl-sandbox-2'])
  expect(await sandbox.meter.runs('order-42')).toBe(2)
})

import { expect, it } from 'vitest'
import * as context from '../../src/engine/context.ts'

it('is one for all copies of the package in a process', async () => {
  const address: string = '../../src/engine/context.ts?copy'
  const copy = (await import(address)) as typeof context
  expect(copy.callContext).not.toBe(context.callContext)

  const own: context.IdempotencyContext = {
    key: 'order 7',
    signal: AbortSignal.timeout(60_000),
    attempt: 1,
    replayable: true,
    derive: name => name,
  }
  const seen = context.runAs(own, async () => {
    await Promise.resolve()
    return [copy.callContext(), Reflect.get(globalThis, Symbol.for('retrysafe.running')).getStore()]
  })
  expect(copy.callContext()).toBeUndefined()
  expect(await seen).toEqual([own, own])
})

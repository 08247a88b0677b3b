import { expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import type { Member } from '../support/process-member.ts'
import { claim, startStoreProcess, type Token } from './store-process.ts'

const leaseMs = 500

/** A step of a zombie that comes too late, and what it is told. */
export type LateStep = readonly [step: string, input: object, told: unknown]

export const lateSteps: readonly LateStep[] = [
  ['renew', {}, { kind: 'lost' }],
  ['renew', { sent: true }, { kind: 'lost' }],
  ['renew', { canonical: 'canonical' }, { kind: 'lost' }],
  ['append', { text: 'late', offsetBytes: 3 }, { kind: 'lost' }],
  ['append', { text: 'late', offsetBytes: 13 }, { kind: 'lost' }],
  ['complete', { text: 'late' }, 'lost'],
  ['complete', { text: 'late', offsetBytes: 13 }, 'lost'],
  ['release', { end: 'free' }, 'lost'],
  ['release', { end: 'broken' }, 'lost'],
  ['stepStart', { id: 'begun' }, { kind: 'lost' }],
  ['stepStart', { id: 'new' }, { kind: 'lost' }],
  ['stepPut', { id: 'begun', text: 'late' }, { kind: 'lost' }],
]

/** What a zombie's successor does before the zombie wakes. */
type Deed = (successor: Member, key: string, token: Token) => Promise<unknown>

export const deeds: readonly (readonly [state: string, deed: Deed])[] = [
  ['still runs', async () => {}],
  ['has completed', (successor, key, token) => successor.ask('complete', { key, token, text: '!', offsetBytes: 3 })],
  ['has cancelled', (successor, key, token) => successor.ask('release', { key, token, end: 'cancelled' })],
]

export interface LateTerms {
  readonly url: string
  readonly key: string
  readonly deed: Deed
  readonly steps: readonly LateStep[]
  /** All that the store has of any record, but for the clock's own. */
  readonly everything: () => Promise<unknown>
}

/** Stops a process until a successor has its record; then each of its steps is refused, and changes nothing. */
export async function expectAllRefused({ url, key, deed, steps, everything }: LateTerms): Promise<void> {
  const [zombie, successor] = [await startStoreProcess(url), await startStoreProcess(url)]
  const old = await claim(zombie, key, { owner: 'zombie', leaseMs })
  await zombie.ask('append', { key, token: old, text: 'of the zombie' })
  await zombie.ask('stepStart', { key, token: old, id: 'begun' })
  zombie.stop()
  await eventually(() => zombie.state()).toBe('T')
  const ask = (): Promise<{ kind: string }> => successor.ask('claim', { key, owner: 'successor' })
  await eventually(async () => (await ask()).kind).toBe('acquired')
  // The same owner gets the same token again.
  const token = await claim(successor, key, { owner: 'successor' })
  expect(await successor.ask('append', { key, token, text: 'new' })).toMatchObject({ kind: 'ok' })
  await deed(successor, key, token)
  const before = await everything()
  zombie.resume()
  const told = []
  for (const [step, input] of steps) told.push([step, input, await zombie.ask(step, { key, token: old, ...input })])
  expect(told).toEqual(steps)
  expect(await everything()).toEqual(before)
}

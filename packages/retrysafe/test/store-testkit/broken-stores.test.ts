import { describe, expect, it } from 'vitest'
import { brokenStores } from './broken-stores.ts'
import { memoryHarness, runKit } from './collecting-runner.ts'
import { type TransactionFault, transactionalHarness } from './transactional-store.ts'
import { twoHandlesHarness } from './two-handles.ts'

const walks = [
  'I1 to I9 any steps in any order: the store answers and shows what the model does',
  'I7 any steps in any order, earlier ones again among them: the same',
  'I7 any steps in any order, each sent twice: the same',
]

describe('a broken store fails the case that is meant for it', () => {
  it.each(brokenStores)('$fault', async broken => {
    const { failed } = await runKit(memoryHarness(broken.break), name => broken.cases.includes(name))
    expect([...failed.keys()].sort()).toEqual([...broken.cases].sort())
  })

  it.each([
    ['completes at once', 'I10 a transaction that fails after completing leaves neither effect nor outcome'],
    ['commits the effect of a lost token', 'I10 the effect of a token that was taken over is rolled back'],
    ['writes effects at once', 'I10 effect and outcome come together at the commit'],
  ] satisfies [TransactionFault, string][])('I10: %s', async (fault, name) => {
    const { failed } = await runKit(transactionalHarness(fault), wanted => wanted === name)
    expect([...failed.keys()]).toEqual([name])
  })

  it('I12: another process hears nothing', async () => {
    const deaf = twoHandlesHarness(store => ({ ...store, subscribe: () => ({ close() {} }) }))
    const name = 'I12 a subscriber of another handle hears of them too'
    const { failed } = await runKit(deaf, wanted => wanted === name)
    expect([...failed.keys()]).toEqual([name])
  })
})

describe('the walks of the model find what they were not written for', () => {
  it.each(brokenStores)('$fault: $foundByWalks', async broken => {
    const { failed, passed } = await runKit(memoryHarness(broken.break), name => walks.includes(name))
    expect(failed.size + passed.length).toBe(3)
    expect(failed.size > 0).toBe(broken.foundByWalks)
  })

  it('and say with which seed and which few steps', async () => {
    const twice = brokenStores.find(({ fault }) => fault === 'I7: an append sent twice lands twice')
    const { failed } = await runKit(memoryHarness(twice?.break), name => name === walks[2])
    const message = failed.get(walks[2] ?? '') ?? ''
    expect(message).toMatch(/^seed \d+: step \d+ of 60, /)
    expect(message).toMatch(/shrunk to [23] steps:\n {2}\{"kind":"claim",.*\n {2}\{"kind":"append",/)
    expect(message).toMatch(/replay with walks: \{ seed: \d+, count: 1, steps: 60 \}$/)
  })
})

import { describe, expect, it } from 'vitest'
import { memoryHarness, runKit } from './collecting-runner.ts'
import { transactionalHarness } from './transactional-store.ts'
import { twoHandlesHarness } from './two-handles.ts'

/** Only what is planned, nothing run. */
const none = () => false

describe('the kit', () => {
  it('finds nothing wrong with a right store, and skips only what it cannot have', async () => {
    const { failed, passed, skipped } = await runKit(memoryHarness())
    expect([...failed]).toEqual([])
    expect(passed.length).toBeGreaterThan(180)
    const reasons = new Set([...skipped.values()].map(reason => reason.split(':')[0]))
    expect([...reasons]).toEqual(['the harness opens no second handle', 'the harness gives no transactions'])
  })

  it('finds nothing wrong with right transactions', async () => {
    const { failed, passed } = await runKit(transactionalHarness(), name => name.startsWith('I10 '))
    expect([...failed]).toEqual([])
    expect(passed).toHaveLength(9)
  })

  it('finds nothing wrong with two right handles', async () => {
    const named = await runKit(twoHandlesHarness(), name => !name.includes('any steps'))
    expect([...named.failed]).toEqual([])
    expect([...named.skipped.keys()].every(name => name.startsWith('I10 '))).toBe(true)
  })

  it('has a case for each of I1 to I13, and no name twice', async () => {
    const names: string[] = []
    const { skipped } = await runKit(memoryHarness(), name => {
      names.push(name)
      return false
    })
    names.push(...skipped.keys())
    expect(new Set(names).size).toBe(names.length)
    const invariants = new Set(names.map(name => /^I\d+/.exec(name)?.[0]))
    const missing = Array.from({ length: 13 }, (_, at) => `I${at + 1}`).filter(name => !invariants.has(name))
    expect(missing).toEqual([])
  })

  it('skips a case for a written reason', async () => {
    const name = 'I9 a tombstone expires after a day'
    const { skipped } = await runKit({ ...memoryHarness(), skips: { [name]: 'this store keeps none' } }, none)
    expect(skipped.get(name)).toBe('this store keeps none')
  })

  it('fails a skip that names no case', async () => {
    const harness = { ...memoryHarness(), skips: { 'I9 no such case': 'a good reason' } }
    const { failed } = await runKit(harness, name => name === 'every skip names a case')
    expect(failed.get('every skip names a case')).toMatch(/I9 no such case/)
  })

  it.each(['', '  \n'])('fails a skip whose reason is %j', async reason => {
    const name = 'I9 a tombstone expires after a day'
    const { failed, skipped } = await runKit(
      { ...memoryHarness(), skips: { [name]: reason } },
      wanted => wanted === name,
    )
    expect([...failed.keys()]).toEqual([name])
    expect(skipped.has(name)).toBe(false)
  })

  it('skips what takes longer than a harness can wait, and what counts a shared store, and says so', async () => {
    const { skipped } = await runKit({ ...memoryHarness(), maxPassMs: 10_000, shared: true, slackMs: 0 }, none)
    const long = 'an open record that nothing counted lives ten minutes'
    expect(skipped.get(long)).toBe('needs 600000 ms to pass, the harness can let pass 10000 ms')
    const whole = 'I9 sweep removes all that has expired, at most its limit at a time, and nothing else'
    expect(skipped.get(whole)).toBe('the data is shared: the case counts the whole store')
  })

  it('fails a store whose traits are not what the harness gives', async () => {
    const name = 'the traits say what there is, and the harness gives it to the kit'
    const boastful = memoryHarness(store => ({ ...store, traits: { ...store.traits, crossProcess: true } }))
    expect((await runKit(boastful, wanted => wanted === name)).failed.size).toBe(1)
    const shy = memoryHarness(store => ({ ...store, completeIn: async () => {} }))
    expect((await runKit(shy, wanted => wanted === name)).failed.size).toBe(1)
  })
})

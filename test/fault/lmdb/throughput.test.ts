import { afterAll, expect, test } from 'vitest'
import { machineMs, makeProcessFolder } from '../../support/process-figures.ts'
import { killAll, type Member, startMember } from '../../support/process-member.ts'

const program = new URL('./programs/loader.mjs', import.meta.url)
const crew: Member[] = []
const folders: { remove(): void }[] = []

afterAll(async () => {
  await killAll(crew)
  for (const folder of folders) folder.remove()
})

/** A figure to look at, not a bound: the machine may be busy. */
test.each([1, 4])(
  'durable first calls a second, 64 callers in %d process(es)',
  { timeout: 60_000 },
  async processes => {
    const folder = makeProcessFolder()
    folders.push(folder)
    const settings = { path: folder.path, callers: 64 / processes, helps: true }
    const members = Array.from({ length: processes }, () => startMember(program, settings))
    crew.push(...members)
    await Promise.all(members.map(member => member.ask('ready')))
    const fromMs = machineMs()
    await Promise.all(members.map(member => member.ask('start')))
    let [count, refused] = [0, 0]
    while (machineMs() - fromMs < 2_000) {
      for (const member of members) {
        const seen = await member.ask<{ completedAtMs: number[]; refused: number }>('completions')
        count += seen.completedAtMs.length
        refused += seen.refused
      }
    }
    const seconds = (machineMs() - fromMs) / 1_000
    await Promise.all(members.map(member => member.ask('finish')))
    console.log(
      `throughput: ${Math.round(count / seconds)} durable first calls/s, 64 callers in ${processes} process(es)`,
    )
    expect(count).toBeGreaterThan(0)
    expect(refused).toBe(0)
  },
)

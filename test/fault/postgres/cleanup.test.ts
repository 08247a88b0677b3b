import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { makeProcessFolder } from '../../support/process-figures.ts'

interface Held {
  readonly worker: number
  readonly runner: number
  readonly servers: readonly number[]
  readonly folder: string
}

const program = fileURLToPath(new URL('./programs/held-run.mjs', import.meta.url))
const folder = makeProcessFolder()
const runs: ChildProcess[] = []
afterAll(() => {
  for (const run of runs) run.kill('SIGKILL')
  folder.remove()
})

/** A vitest of its own whose one test holds a PostgreSQL and a PgBouncer. */
async function holdServers(name: string): Promise<Held> {
  const file = join(folder.path, name)
  runs.push(spawn(process.execPath, [program], { env: { ...process.env, HELD_SERVERS: file }, stdio: 'ignore' }))
  // Longer than `eventually`: it is a vitest with two servers.
  await expect.poll(() => existsSync(file), { timeout: 45_000, interval: 20 }).toBe(true)
  return JSON.parse(readFileSync(file, 'utf8')) as Held
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('nothing is left of the servers of tests', () => {
  test.each(['worker', 'runner'] as const)('when the %s is killed', { timeout: 60_000 }, async who => {
    const held = await holdServers(who)
    expect(held.servers.map(isThere)).toEqual([true, true])
    expect(existsSync(held.folder)).toBe(true)
    process.kill(held[who], 'SIGKILL')
    await eventually(() => held.servers.map(isThere)).toEqual([false, false])
    await eventually(() => existsSync(held.folder)).toBe(false)
  })
})

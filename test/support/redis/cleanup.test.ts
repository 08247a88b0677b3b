import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { eventually } from '../eventually.ts'

interface Held {
  readonly pid: number
  readonly folder: string
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('nothing is left of servers when the process that started them is killed', async () => {
  const holder = fork(fileURLToPath(new URL('held-servers.mjs', import.meta.url)), { execArgv: [] })
  try {
    const [servers] = (await once(holder, 'message')) as [Held[]]
    expect(servers.map(({ pid, folder }) => [isThere(pid), existsSync(folder)])).toEqual([
      [true, true],
      [true, true],
    ])
    holder.kill('SIGKILL')
    await eventually(() => servers.map(({ pid, folder }) => [isThere(pid), existsSync(folder)])).toEqual([
      [false, false],
      [false, false],
    ])
  } finally {
    holder.kill('SIGKILL')
  }
})

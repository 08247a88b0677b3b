import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { readMachine } from '../../../src/engine/machine.ts'
import { processSurroundings } from '../../../src/engine/surroundings.ts'
import { openLmdbStore } from '../../../src/stores/lmdb/store.ts'
import { claimTerms } from '../../support/store-terms.ts'

const root = mkdtempSync(join(tmpdir(), 'retrysafe-gone-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Takes every file descriptor that is left; answers how to give them back. */
function exhaust(): () => void {
  const files: number[] = []
  try {
    for (;;) files.push(openSync('/dev/null', 'r'))
  } catch {
    return () => files.forEach(closeSync)
  }
}

it('an owner that lives is not taken over by a process without file descriptors', async () => {
  const owner = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1_000)'], { stdio: 'ignore' })
  await once(owner, 'spawn')
  const stat = readFileSync(`/proc/${owner.pid}/stat`, 'latin1')
  const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  const machine = readMachine()
  const place = machine.processName.split('/').slice(0, -2).join('/')
  const processName = `${place}/${owner.pid}/${startTime}`
  const theirs = openLmdbStore(root, processSurroundings, { ...machine, processName })
  const ours = openLmdbStore(root, processSurroundings, machine)
  await theirs.claim(claimTerms({ owner: 'live' }))
  const giveBack = exhaust()
  const answer = await ours.claim(claimTerms({ owner: 'other' })).finally(giveBack)
  await Promise.all([theirs.close(), ours.close()])
  owner.kill('SIGKILL')
  expect(answer).toMatchObject({ kind: 'running' })
})

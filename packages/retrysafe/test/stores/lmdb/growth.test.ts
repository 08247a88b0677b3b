import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterAll, expect, it } from 'vitest'
import { readMachine } from '../../../src/engine/machine.ts'
import { processSurroundings } from '../../../src/engine/surroundings.ts'
import { openLmdbStore } from '../../../src/stores/lmdb/store.ts'
import { ManualTime } from '../../support/manual-time.ts'
import { claimTerms, keyOf } from '../../support/store-terms.ts'

const root = mkdtempSync(join(tmpdir(), 'retrysafe-growth-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const plain = { encoding: 'binary', keyEncoding: 'binary' } as const

/** Another handle on one table of the store's file; LMDB opens a file once for a process. */
function tableOf(path: string, name: string): ReturnType<ReturnType<typeof open>['openDB']> {
  return open({ ...plain, path, noSubdir: false, overlappingSync: false, maxDbs: 12 }).openDB({
    ...plain,
    name,
    useVersions: name === 'pairs',
  })
}

it('labels of any length are kept as they are', async () => {
  const store = openLmdbStore(mkdtempSync(join(root, 's-')), processSurroundings, readMachine())
  for (const length of [65_534, 65_535, 65_536, 200_000]) {
    const label = { operation: 'o', tenant: 't', key: 'x'.repeat(length), method: 'GET', path: '/p' }
    await store.claim(claimTerms({ key: keyOf(`k${length}`), label }))
    expect((await store.get(keyOf(`k${length}`)))?.label).toEqual(label)
  }
  await store.close()
})

it('entries of the expiry index that lead nowhere do not hold up the sweep', async () => {
  const path = mkdtempSync(join(root, 's-'))
  const time = new ManualTime()
  const store = openLmdbStore(path, { ...processSurroundings, clock: time.clock }, readMachine())
  const expiry = tableOf(path, 'expiry')
  for (let i = 0; i < 150; i++) {
    await expiry.put(Buffer.concat([Buffer.alloc(8), Buffer.of(1), Buffer.from(`lost${i}`)]), Buffer.alloc(0))
  }
  await store.claim(claimTerms({ leaseMs: 1_000, retentionMs: 1_000 }))
  time.jump(100_000)
  expect(await store.sweep(100)).toBe(1)
  expect([...expiry.getKeys({})]).toHaveLength(0)
  await store.close()
})

it('pair keys whose offers are over leave nothing behind', async () => {
  const path = mkdtempSync(join(root, 's-'))
  const time = new ManualTime()
  const store = openLmdbStore(path, { ...processSurroundings, clock: time.clock }, readMachine())
  for (let i = 0; i < 10; i++) await store.offer(`p${i}`, { key: keyOf('k'), fence: 1, count: 0, ttlMs: 1_000 })
  time.jump(100_000)
  await store.sweep(100)
  expect([...tableOf(path, 'pairs').getKeys({})]).toHaveLength(0)
  await store.close()
})

it.skipIf(process.platform !== 'linux')(
  'a file that grows is mapped once (read from /proc, which Linux alone has)',
  async () => {
    const path = mkdtempSync(join(root, 's-'))
    const store = openLmdbStore(path, processSurroundings, readMachine())
    const maps = (): number => readFileSync('/proc/self/maps', 'utf8').split(`${path}/data.mdb`).length - 1
    expect(maps()).toBe(1)
    for (let i = 0; i < 8; i++) {
      const label = { operation: 'o', tenant: 't', key: 'x'.repeat(1_000_000) }
      await store.claim(claimTerms({ key: keyOf(`k${i}`), label }))
    }
    expect(maps()).toBe(1)
    await store.close()
  },
)

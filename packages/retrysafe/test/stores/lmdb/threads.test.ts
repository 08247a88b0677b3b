import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, expect, it } from 'vitest'
import { lmdbStore } from '../../../src/stores/lmdb/index.ts'

const library = new URL('../../../dist/stores/lmdb/index.js', import.meta.url).href
const root = mkdtempSync(join(tmpdir(), 'retrysafe-threads-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

it('a thread that closes the store leaves the mark of the others', async () => {
  const store = lmdbStore({ path: root })
  const script = `import(${JSON.stringify(library)}).then(({ lmdbStore }) => lmdbStore({ path: ${JSON.stringify(root)} }).close())`
  const worker = new Worker(script, { eval: true })
  expect(await once(worker, 'exit')).toEqual([0])
  const markers = readdirSync(join(root, 'processes')).map(file => readFileSync(join(root, 'processes', file), 'utf8'))
  await store.close()
  expect(markers).toEqual(['open'])
})

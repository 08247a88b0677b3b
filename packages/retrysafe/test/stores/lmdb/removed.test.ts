import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { lmdbStore } from '../../../src/stores/lmdb/index.ts'
import { acquireToken, claimTerms, keyOf } from '../../support/store-terms.ts'

it('a folder that is removed while it is open is not written into the void', async () => {
  const root = mkdtempSync(join(tmpdir(), 'retrysafe-removed-'))
  const path = join(root, 'store')
  const store = lmdbStore({ path })
  await acquireToken(store)
  rmSync(path, { recursive: true })
  await expect
    .poll(
      () =>
        store.claim(claimTerms({ key: keyOf('k2') })).then(
          answer => answer.kind,
          error => error.message,
        ),
      {
        timeout: 5_000,
      },
    )
    .toBe('the files of the LMDB store were removed or replaced while it was open: start again')
  await store.close()
  rmSync(root, { recursive: true })
})

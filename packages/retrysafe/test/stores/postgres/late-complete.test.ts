import { expect, it, onTestFinished } from 'vitest'
import { provideDatabase } from '../../../../../test/support/postgres/provided-database.ts'
import type { StoreKey } from '../../../src/engine/record.ts'
import type { ClaimTerms, LogPiece } from '../../../src/engine/store.ts'
import type { Fingerprint } from '../../../src/fingerprint/fingerprint.ts'
import { migrate, postgresStore } from '../../../src/stores/postgres/index.ts'

const url = await provideDatabase()
await migrate({ url })

function terms(key: string, owner = 'owner'): ClaimTerms {
  return {
    key: key as StoreKey,
    raw: `1${'a'.repeat(43)}` as Fingerprint,
    owner,
    leaseMs: 30_000,
    retentionMs: 60_000,
    onCrash: 'rerun',
    maxAttempts: 1,
    label: { operation: 'test', tenant: 'tenant00' },
  }
}

const piece = (text: string): LogPiece => ({ offsetBytes: 0, bytes: Buffer.from(text) })

it('a late completion heals a run that had begun its log, was released as broken and given up; nor does it harm others', async () => {
  const store = postgresStore({ url })
  onTestFinished(() => store.close())
  const begin = async (key: string) => {
    const claim = await store.claim(terms(key))
    if (claim.kind !== 'acquired') throw new Error(claim.kind)
    return claim.token
  }
  const key = 'late' as StoreKey
  const token = await begin('late')
  await store.append(key, token, piece('head and more'))
  await store.release(key, token, { end: 'broken', cooldownMs: 0 })
  expect((await store.claim(terms('late', 'another'))).kind).toBe('unknown')

  const others = ['a', 'b', 'c', 'd', 'e'] as StoreKey[]
  const tokens = await Promise.all(others.map(begin))
  const answers = await Promise.all([
    store.complete(key, token, piece('whole')),
    ...others.map((other, at) => store.complete(other, tokens[at] ?? token, piece('theirs'))),
  ])
  expect(answers).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'ok'])
  const replay = await store.claim(terms('late', 'third'))
  expect(replay.kind === 'completed' && Buffer.from(replay.log.bytes ?? []).toString()).toBe('whole')
})

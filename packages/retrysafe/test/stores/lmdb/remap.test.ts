import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Store } from '../../../src/engine/store.ts'
import { createRetrysafe } from '../../../src/retrysafe.ts'
import { lmdbStore } from '../../../src/stores/lmdb/store.ts'
import { acquireToken, claimTerms, keyOf, piece, textOf } from '../../support/store-terms.ts'

const library = new URL('../../../dist/stores/lmdb/index.js', import.meta.url).href
const root = mkdtempSync(join(tmpdir(), 'retrysafe-remap-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

function isMapped(path: string): boolean {
  return readFileSync('/proc/self/maps', 'latin1').includes(`${path}/data.mdb`)
}

/** How much of all mapped files counts as this process's memory. */
function residentFileBytes(): number {
  const [, kibibytes] = /^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? []
  return Number(kibibytes) * 1_024
}

const page = 'x'.repeat(900)

async function record(store: Store, name: string): Promise<void> {
  const key = keyOf(name)
  const token = await acquireToken(store, { key, owner: name })
  await store.complete(key, token, piece(0, page + name))
}

async function outcomeOf(store: Store, name: string): Promise<string> {
  const key = keyOf(name)
  const answer = await store.claim(claimTerms({ key }))
  if (answer.kind !== 'completed') return answer.kind
  let text = ''
  while (text.length < answer.log.lengthBytes) {
    const part = await store.read(key, answer.fence, text.length, 100_000)
    if (part.kind !== 'bytes') return part.kind
    text += textOf(part.bytes)
  }
  return text
}

/** Records outcomes from several callers at once; `look` hears after each. */
async function recordAll(store: Store, names: readonly string[], look: () => void): Promise<void> {
  const left = [...names]
  const work = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      await record(store, name)
      look()
    }
  }
  const count = async (): Promise<void> => {
    for (let number = 1; left.length > 0; number++)
      expect(await store.count('turns', { all: 1 }, { source: names[0] ?? '', number })).toBe('ok')
  }
  await Promise.all([...Array.from({ length: 32 }, work), count()])
}

describe.skipIf(process.platform !== 'linux')('a file that is mapped anew (what is mapped, Linux alone tells)', () => {
  it('again and again, under load: nothing is lost, and its pages stay few', async () => {
    const path = mkdtempSync(join(root, 's-'))
    const store = lmdbStore({ path, maxMappedBytes: 1_048_576 })
    const names = Array.from({ length: 10_000 }, (_, index) => `k${index}`)
    const startBytes = residentFileBytes()
    let mostBytes = 0
    await recordAll(store, names, () => {
      mostBytes = Math.max(mostBytes, residentFileBytes() - startBytes)
    })
    expect(statSync(join(path, 'data.mdb')).size).toBeGreaterThan(17_000_000)
    expect(mostBytes).toBeLessThan(13_000_000)
    for (const name of names) expect(await outcomeOf(store, name)).toBe(page + name)
    await store.close()
    expect(isMapped(path)).toBe(false)
  })

  it('while another process opens it, writes and closes it, time and again', async () => {
    const path = mkdtempSync(join(root, 's-'))
    const store = lmdbStore({ path, maxMappedBytes: 1_048_576 })
    const script = `
      const { lmdbStore } = await import(${JSON.stringify(library)})
      for (let round = 0; round < 3; round++) {
        const store = lmdbStore({ path: ${JSON.stringify(path)} })
        for (let i = 0; i < 5; i++) await store.count('theirs', { all: 1 }, { source: round + ' ' + i, number: 1 })
        await store.close()
      }`
    const other = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    let isOver = false
    const ended = once(other, 'exit').finally(() => {
      isOver = true
    })
    const names: string[] = []
    while (!isOver) {
      const more = Array.from({ length: 200 }, (_, index) => `k${names.length + index}`)
      await recordAll(store, more, () => {})
      names.push(...more)
    }
    expect(await ended).toEqual([0, null])
    for (const name of names) expect(await outcomeOf(store, name)).toBe(page + name)
    expect(await store.counters('theirs')).toEqual({ all: 15 })
    await store.close()
  })
})

it.each([1_048_575, 1.5e6 + 0.5, Number.NaN, 2 ** 40 + 1])(
  '%d bytes are refused, before anything is made',
  maxMappedBytes => {
    const path = join(root, 'never')
    const refused = expect.objectContaining({
      code: 'CONFIG_INVALID',
      message: `maxMappedBytes takes a whole number from 1048576 to 1099511627776, not ${maxMappedBytes}`,
    })
    expect(() => lmdbStore({ path, maxMappedBytes })).toThrow(refused)
    expect(() => createRetrysafe({ store: `lmdb:${path}`, maxMappedBytes })).toThrow(refused)
    expect(existsSync(path)).toBe(false)
  },
)

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Code } from './code.ts'
import type { Mutant } from './mutants.ts'

const source = fileURLToPath(new URL('../../packages/retrysafe/src', import.meta.url))

/** A copy of the library with one fault in it, loaded beside the real one. */
export async function loadMutant({ file, find, replace }: Mutant): Promise<{ code: Code; remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-mutant-'))
  for (const room of ['protocol', 'fingerprint', 'engine', 'stores']) {
    cpSync(join(source, room), join(folder, room), { recursive: true })
  }
  const path = join(folder, file)
  const text = readFileSync(path, 'utf8')
  const places = text.split(find).length - 1
  if (places !== 1) throw new Error(`${file} has ${places} places, not one, that say: ${find}`)
  writeFileSync(
    path,
    text.replace(find, () => replace),
  )
  const load = async (name: string): Promise<Code> => (await import(/* @vite-ignore */ join(folder, name))) as Code
  const { openEngine } = await load('engine/engine.ts')
  const { cooldownMs } = await load('engine/cooldown.ts')
  const { RetrysafeError } = await load('engine/errors.ts')
  const { followRecording } = await load('engine/follower.ts')
  const { memoryStore } = await load('stores/memory/store.ts')
  const code: Code = { openEngine, cooldownMs, RetrysafeError, followRecording, memoryStore }
  return { code, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mutate } from './mutants.mjs'

const copied = [
  'package.json',
  'tsconfig.base.json',
  'vitest.config.ts',
  'packages/retrysafe/package.json',
  'packages/retrysafe/tsconfig.json',
  'packages/retrysafe/src',
  'packages/retrysafe/test',
  // Its list of system tools.
  'scripts',
  'test/fault',
  'test/history',
  'test/simulation',
  'test/support',
]
const library = 'packages/retrysafe/src'

/** A copy of the library and its tests, where one mutant after the other lives. */
export function createWorkCopy(root, folder) {
  mkdirSync(folder, { recursive: true })
  for (const path of copied) cpSync(join(root, path), join(folder, path), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))

  return {
    folder,
    /** Runs `work` while the mistake is in the source. */
    async withMutant(mutant, work) {
      const path = join(folder, library, mutant.file)
      const source = readFileSync(path, 'utf8')
      writeFileSync(path, mutate(source, mutant))
      try {
        return await work()
      } finally {
        writeFileSync(path, source)
      }
    },
  }
}

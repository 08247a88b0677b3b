import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { JudgeProcess } from './judge-process.mjs'
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

/** A copy of the library and its tests, where one mutant after the other lives, and the process that runs suites there. */
export function createWorkCopy(root, folder) {
  mkdirSync(folder, { recursive: true })
  for (const path of copied) cpSync(join(root, path), join(folder, path), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const judges = new JudgeProcess(folder)
  const changed = new Set()
  const write = (path, text) => {
    writeFileSync(join(folder, path), text)
    changed.add(path)
  }

  return {
    /** Runs a suite on what is there now: see judge-host.mjs. */
    async run({ files, pattern, env }) {
      const question = { files, pattern, env, changed: [...changed] }
      changed.clear()
      return judges.run(question)
    },
    /** Runs `work` while the mistake is in the source. */
    async withMutant(mutant, work) {
      const path = join(library, mutant.file)
      const source = readFileSync(join(folder, path), 'utf8')
      write(path, mutate(source, mutant))
      try {
        return await work()
      } finally {
        write(path, source)
      }
    },
    /** The end of that process, whatever it is at. */
    end: () => judges.end(),
  }
}

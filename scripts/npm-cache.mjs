import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/**
 * Calls `work(env)` with an environment in which npm has a cache that it can write: the user's, or a temporary one.
 * With an empty HOME npm would make a folder named `~` in the checkout, with one that is not writable it fails.
 */
export async function withNpmCache(work) {
  if (isWritable(process.env.npm_config_cache ?? join(homedir(), '.npm'))) return work(process.env)
  const cache = mkdtempSync(join(tmpdir(), 'retrysafe-npm-'))
  try {
    return await work({ ...process.env, npm_config_cache: cache })
  } finally {
    rmSync(cache, { recursive: true, force: true })
  }
}

function isWritable(folder) {
  if (!isAbsolute(folder)) return false
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

import { existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type KeptServer, keepServer } from '../kept-server.ts'

const variable = 'RETRYSAFE_TEST_POSTGRES_TEMPLATE'

/**
 * vitest's global setup: a folder for the data of an empty server, which the first that starts one puts there. initdb
 * takes a second of processor time, a copy of what it makes a fifth.
 */
export function setup(): () => Promise<void> {
  const kept = keepServer('postgres-template')
  process.env[variable] = kept.folder
  return () => kept.discard()
}

/** Copies the template to `data` in the server's folder; false where there is none (yet). */
export async function copyTemplate(kept: KeptServer): Promise<boolean> {
  const folder = process.env[variable]
  if (folder === undefined || !existsSync(join(folder, 'data'))) return false
  await copy(kept, join(folder, 'data'), 'data')
  return true
}

/** Makes the server's fresh `data` the template, unless somebody else was faster. */
export async function offerTemplate(kept: KeptServer): Promise<void> {
  const folder = process.env[variable]
  if (folder === undefined) return
  const own = join(folder, String(process.pid))
  await copy(kept, 'data', own)
  try {
    renameSync(own, join(folder, 'data'))
  } catch {
    rmSync(own, { recursive: true })
  }
}

/** By whom the server runs as: the data must be its own. */
function copy(kept: KeptServer, from: string, to: string): Promise<void> {
  return kept.run({ command: 'cp', args: ['-R', from, to], signal: 'SIGTERM' })
}

import { createRequire } from 'node:module'
import { RetrysafeError } from '../engine/errors.ts'
import { describeThrown } from '../engine/thrown.ts'

const require = createRequire(import.meta.url)

/**
 * Loads an optional peer of the library, at the moment somebody asks for what needs it.
 *
 * @throws {RetrysafeError} `PEER_MISSING`, with the line that installs it
 */
export function requirePeer(name: string, need: string): unknown {
  try {
    return require(name)
  } catch (error) {
    const isMissing = (error as { code?: unknown }).code === 'MODULE_NOT_FOUND'
    const what = isMissing ? `is not installed: npm install ${name}` : `could not be loaded: ${messageOf(error)}`
    throw new RetrysafeError('PEER_MISSING', `${need} needs the package ${name}, which ${what}`, { cause: error })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : describeThrown(error)
}

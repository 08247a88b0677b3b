import { RetrysafeError } from '../engine/errors.ts'
import type { Store } from '../engine/store.ts'
import { parseSize } from '../protocol/duration.ts'
import { memoryStore } from './memory/store.ts'

const forms = 'memory:'

/**
 * Opens the store that a URL names. Stores that need a peer import it only here, so that nobody pays for another's.
 *
 * `memory:` takes `?max-entries=N&max-bytes=SIZE`.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID` when the URL names no store
 * @example
 * const store = await openStore('memory:?max-bytes=64mb')
 */
export async function openStore(url: string): Promise<Store> {
  if (!URL.canParse(url)) throw invalid(url, `it is no URL; it takes ${forms}`)
  const parsed = new URL(url)
  switch (parsed.protocol) {
    case 'memory:':
      return openMemory(url, parsed)
    default:
      throw invalid(url, `no store goes by ${parsed.protocol} ; it takes ${forms}`)
  }
}

function openMemory(url: string, parsed: URL): Store {
  if (parsed.pathname !== '' || parsed.host !== '') throw invalid(url, 'memory: takes no path')
  const options: { maxEntries?: number; maxBytes?: number } = {}
  for (const [name, value] of parsed.searchParams) {
    const number = name === 'max-entries' ? Number(value) : parseSize(value)
    if (number === undefined || !Number.isSafeInteger(number) || number < 1) {
      throw invalid(url, `${name} must be a positive number`)
    }
    if (name === 'max-entries') options.maxEntries = number
    else if (name === 'max-bytes') options.maxBytes = number
    else throw invalid(url, `memory: does not know ${name}; it takes max-entries and max-bytes`)
  }
  return memoryStore(options)
}

/** The user and password of a store URL are secrets: the message shows neither. */
function invalid(url: string, reason: string): RetrysafeError {
  const shown = url.replace(/\/\/[^@/]*@/, '//***@').slice(0, 200)
  return new RetrysafeError('CONFIG_INVALID', `store ${JSON.stringify(shown)}: ${reason}`)
}

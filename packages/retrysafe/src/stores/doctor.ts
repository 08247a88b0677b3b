import { type Finding, fine } from './finding.ts'
import { readPath, readStoreKind } from './open.ts'

/**
 * Looks whether the store that a URL names can hold what it promises, and changes nothing.
 *
 * @param options `schema`: for PostgreSQL; beats the URL's
 * @throws {RetrysafeError} `CONFIG_INVALID` when the URL names no store; `PEER_MISSING`
 */
export async function examineStore(url: string, { schema }: { readonly schema?: string } = {}): Promise<Finding[]> {
  switch (readStoreKind(url)) {
    case 'postgres': {
      const { examinePostgres } = await import('./postgres/doctor/examination.ts')
      return examinePostgres({ url, ...(schema !== undefined && { schema }) })
    }
    case 'lmdb': {
      const { examineFolder } = await import('./lmdb/doctor.ts')
      return examineFolder(readPath(url))
    }
    case 'redis': {
      const { examineRedis } = await import('./redis/doctor/examination.ts')
      return examineRedis(url)
    }
    case 'memory':
      return [fine('memory', 'nothing to look at: it is empty at every start, and of one process')]
  }
}

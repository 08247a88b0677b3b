import { join } from 'node:path'
import { readPath, readStoreKind } from 'retrysafe/internal/stores/open'

/** Of stores that are not files of this machine. */
const usualFolder = './retrysafe-data'

/** The folder in which `batch status ID` finds where the batches on a store write. */
export function registryFolder(store: string): string {
  return join(readStoreKind(store) === 'lmdb' ? readPath(store) : usualFolder, 'batches')
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Environment, type Program, startProgram } from './program.ts'

/** The store that the gateways of these tests are on, unless a test names one: a folder of its own, or memory. */
const kind = process.env.RETRYSAFE_TEST_STORE ?? 'lmdb'

const folders: string[] = []
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
// The test runner ends its workers by a signal, and without this no `exit` is told.
process.once('SIGTERM', () => process.exit(143))

/** A folder for a store, gone when this process ends. */
export function makeStoreFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-e2e-'))
  folders.push(folder)
  return folder
}

/** Flags that put a gateway on the LMDB store in `folder`. */
export function storeIn(folder: string): readonly string[] {
  return ['--store', `lmdb:${folder}`]
}

/** A gateway in a process of its own. */
export interface Gateway extends Program {
  readonly url: string
  readonly admin: string
}

/** Starts a gateway before `upstream`, or several (`NAME=URL`), or the built-in ones alone, on ports that the system picks. */
export async function startGateway(
  upstream: string | readonly string[],
  flags: readonly string[] = [],
  environment: Environment = {},
  wrapper: readonly string[] = [],
): Promise<Gateway> {
  const ports = ['--port', '0', '--admin-port', '0']
  const namesStore = flags.includes('--store') || environment.RETRYSAFE_STORE !== undefined
  const store = namesStore ? [] : ['--store', kind === 'memory' ? 'memory:' : `lmdb:${makeStoreFolder()}`]
  const upstreams = [upstream].flat().flatMap(one => ['--upstream', one])
  const args = ['serve', ...upstreams, ...ports, ...store, ...flags]
  const program = await startProgram(args, environment, wrapper)
  const { url = '', admin = '' } = program.ready
  return { ...program, url, admin }
}

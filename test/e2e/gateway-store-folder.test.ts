import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, cpSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { ask } from '../support/exchange.ts'
import { makeStoreFolder, startGateway, storeIn } from '../support/gateway.ts'
import { type Ended, runProgram } from '../support/program.ts'
import { startSandbox } from '../support/sandbox.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)

/** A store with a hundred outcomes in it, closed in good order; tests take copies. */
const sound = makeStoreFolder()
const page = 4_096
const repository = fileURLToPath(new URL('../..', import.meta.url))

beforeAll(async () => {
  const gateway = await startGateway(sandbox.url, storeIn(sound))
  const keys = Array.from({ length: 100 }, (_, at) => `key-${at}`)
  await Promise.all(keys.map(key => charge(gateway.url, key)))
  gateway.terminate()
  expect(await gateway.exited).toEqual({ code: 0, signal: null })
})

async function charge(url: string, key: string): Promise<unknown> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key }
  const answer = await ask(`${url}/effects/charge`, { headers, body: '{"amount":5}' })
  return answer.headers['retrysafe-outcome']
}

function copyOfSound(): string {
  const folder = makeStoreFolder()
  cpSync(sound, folder, { recursive: true })
  return folder
}

function serveOn(folder: string, wrapper: readonly string[] = []): Promise<Ended> {
  const ports = ['--port', '0', '--admin-port', '0']
  return runProgram(['serve', '--upstream', sandbox.url, ...ports, ...storeIn(folder)], {}, wrapper)
}

/** Exit 1, nothing on stdout, and this one line on stderr. */
function refusal(line: string): Ended {
  return { code: 1, signal: null, stdout: '', stderr: `retrysafe: --store: ${line}\n` }
}

/** Every file below `folder` but LMDB's locks, by its path, as text that tells all of its bytes. */
function filesOf(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile() && entry.name !== 'lock.mdb')
  const paths = files.map(entry => join(entry.parentPath, entry.name)).sort()
  return Object.fromEntries(paths.map(path => [relative(folder, path), readFileSync(path, 'latin1')]))
}

describe('no folder can be had', () => {
  test.each([
    ['a file stands in its place', ''],
    ['a file stands above it', 'data'],
  ])('where %s', async (_, below) => {
    const file = join(makeStoreFolder(), 'file')
    writeFileSync(file, 'mine')
    const folder = join(file, below)
    expect(await serveOn(folder)).toEqual(refusal(`${folder} is no folder: name another one`))
    expect(readFileSync(file, 'utf8')).toBe('mine')
  })
})

describe('without the right to write', () => {
  const isRoot = process.getuid?.() === 0
  /** Root may do everything, so the program runs as somebody else. */
  const asNobody = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'] : []

  function lock(folder: string, modes: Readonly<Record<string, number>>): void {
    chmodSync(folder, 0o755)
    for (const name of ['data.mdb', 'lock.mdb', 'processes']) {
      if (isRoot) chownSync(join(folder, name), 65_534, 65_534)
    }
    if (isRoot) chownSync(folder, 65_534, 65_534)
    for (const [name, mode] of Object.entries(modes)) {
      if (isRoot) chownSync(join(folder, name), 0, 0)
      chmodSync(join(folder, name), mode)
      onTestFinished(() => chmodSync(join(folder, name), 0o755))
    }
  }

  test('control: the same user may use a folder of its own', async () => {
    const folder = copyOfSound()
    lock(folder, {})
    const gateway = await startGateway(sandbox.url, storeIn(folder), {}, asNobody)
    onTestFinished(gateway.stop)
    expect(await charge(gateway.url, 'key-7')).toBe('replayed')
  })

  test('to a folder that is empty', async () => {
    const folder = makeStoreFolder()
    chmodSync(folder, 0o555)
    expect(await serveOn(folder, asNobody)).toEqual(refusal(cannotWrite(folder)))
    expect(readdirSync(folder)).toEqual([])
  })

  test('to the folder above', async () => {
    const above = makeStoreFolder()
    chmodSync(above, 0o555)
    const folder = join(above, 'new')
    expect(await serveOn(folder, asNobody)).toEqual(refusal(cannotWrite(folder)))
    expect(readdirSync(above)).toEqual([])
  })

  test.each([
    ['folder', '.', 0o555],
    ['data', 'data.mdb', 0o444],
    ['locks', 'lock.mdb', 0o444],
    ['list of processes', 'processes', 0o555],
  ])('to the %s of a store', async (_, name, mode) => {
    const folder = copyOfSound()
    lock(folder, { [name]: mode })
    const before = filesOf(folder)
    expect(await serveOn(folder, asNobody)).toEqual(refusal(cannotWrite(folder)))
    expect(filesOf(folder)).toEqual(before)
  })

  // Mounting takes a right that not every machine gives.
  test.skipIf(!canMount())('on a file system that is mounted read-only', async () => {
    const folder = copyOfSound()
    const before = filesOf(folder)
    const mounts = `mount --bind ${folder} ${folder} && mount -o remount,ro,bind ${folder} && exec "$@"`
    const readOnly = ['unshare', '--mount', 'sh', '-c', mounts, 'sh']
    expect(await serveOn(folder, readOnly)).toEqual(refusal(cannotWrite(folder)))
    expect(filesOf(folder)).toEqual(before)
  })
})

function cannotWrite(folder: string): string {
  return `${folder} cannot be written: give this user the right to, or name another folder`
}

function canMount(): boolean {
  return spawnSync('unshare', ['--mount', 'sh', '-c', 'mount -t tmpfs none /mnt']).status === 0
}

test('a store of a newer version is left alone', async () => {
  const folder = copyOfSound()
  const write = `import { open } from 'lmdb'
    const root = open({ path: ${JSON.stringify(folder)}, noSubdir: false, maxDbs: 12, encoding: 'binary', keyEncoding: 'binary' })
    const meta = root.openDB({ name: 'meta', encoding: 'binary', keyEncoding: 'binary' })
    meta.putSync(Buffer.from('format'), Buffer.from('99'))
    await root.close()`
  execFileSync(process.execPath, ['--input-type=module', '-e', write], { cwd: repository })
  const before = filesOf(folder)
  const newer = `${join(folder, 'data.mdb')} was written by a newer version: upgrade this one, or give it another folder`
  expect(await serveOn(folder)).toEqual(refusal(newer))
  expect(filesOf(folder)).toEqual(before)
})

describe('a data file that is damaged is set aside, byte for byte', () => {
  const length = (): number => statSync(join(sound, 'data.mdb')).size
  const patch = (path: string, offset: number, bytes: Buffer): void => {
    const whole = readFileSync(path)
    bytes.copy(whole, offset)
    writeFileSync(path, whole)
  }

  test.each<[string, (path: string) => void]>([
    ['cut to its half', path => truncateSync(path, length() / 2)],
    ['cut to 100 bytes', path => truncateSync(path, 100)],
    ['cut to its two first pages', path => truncateSync(path, 2 * page)],
    ['all of it garbage', path => writeFileSync(path, randomBytes(length()))],
    ['all of it zeros', path => writeFileSync(path, Buffer.alloc(length()))],
    ['a text', path => writeFileSync(path, 'no database at all\n'.repeat(1_000))],
    ['its first page garbage', path => patch(path, 0, randomBytes(page))],
    ['its second page garbage', path => patch(path, page, randomBytes(page))],
    ['everything but its first pages garbage', path => patch(path, 2 * page, randomBytes(length() - 2 * page))],
  ])('%s', async (_, damage) => {
    const folder = copyOfSound()
    const data = join(folder, 'data.mdb')
    damage(data)
    const damaged = readFileSync(data, 'latin1')
    const ended = await serveOn(folder)
    const aside = readdirSync(folder).filter(name => name.startsWith('data.mdb'))
    expect(aside).toEqual([expect.stringMatching(/^data\.mdb\.damaged-\d{4}-[\dTZ-]+$/)])
    expect(filesOf(folder)).toEqual({ [String(aside[0])]: damaged })
    expect(ended).toMatchObject({ code: 1, signal: null, stdout: '' })
    const [line, ...more] = ended.stderr.split('\n')
    expect(more).toEqual([''])
    expect(line).toMatch(/^retrysafe: --store: /)
    expect(line).toContain(`${data} is damaged (`)
    expect(line).toContain(`it was set aside as ${join(folder, String(aside[0]))}. Put a backup in its place, or start`)
  })

  test('and the next start begins with an empty store, as it said; put back, a backup serves again', async () => {
    const folder = copyOfSound()
    const data = join(folder, 'data.mdb')
    truncateSync(data, 100)
    expect((await serveOn(folder)).code).toBe(1)
    const empty = await startGateway(sandbox.url, storeIn(folder))
    onTestFinished(empty.stop)
    expect(await charge(empty.url, 'key-7')).toBe('executed')
    empty.terminate()
    await empty.exited
    cpSync(join(sound, 'data.mdb'), data)
    const restored = await startGateway(sandbox.url, storeIn(folder))
    onTestFinished(restored.stop)
    expect(await charge(restored.url, 'key-7')).toBe('replayed')
  })

  test('one without a byte is a new store', async () => {
    const folder = copyOfSound()
    truncateSync(join(folder, 'data.mdb'), 0)
    const gateway = await startGateway(sandbox.url, storeIn(folder))
    onTestFinished(gateway.stop)
    expect(await charge(gateway.url, 'key-7')).toBe('executed')
  })
})

import { execFile, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { open } from 'lmdb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RetrysafeError } from '../../../src/engine/errors.ts'
import { lmdbStore } from '../../../src/stores/lmdb/index.ts'
import { nameUnsafeFileSystem } from '../../../src/stores/lmdb/network-file-system.ts'
import { acquireToken, bytesOf, claimTerms } from '../../support/store-terms.ts'

const root = mkdtempSync(join(tmpdir(), 'retrysafe-folder-'))
const sound = join(root, 'sound')
const dist = fileURLToPath(new URL('../../../dist', import.meta.url))
let copies = 0

beforeAll(async () => {
  chmodSync(root, 0o755)
  const store = lmdbStore({ path: sound })
  const token = await acquireToken(store)
  await store.complete(claimTerms().key, token, { offsetBytes: 0, bytes: bytesOf('kept') })
  await store.close()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

function copyOfSound(): string {
  const path = join(root, `copy-${copies++}`)
  cpSync(sound, path, { recursive: true })
  return path
}

/** The code and message with which the store refuses the folder. */
function refusalOf(path: string): { code: string; message: string } {
  try {
    void lmdbStore({ path }).close()
  } catch (error) {
    if (error instanceof RetrysafeError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error(`${path} was opened`)
}

/** Opens the store in `folder` from the built library, and says how that went. */
function openingScript(library: string, folder: string): string {
  return `
    const { lmdbStore } = await import(${JSON.stringify(join(library, 'stores/lmdb/index.js'))})
    try {
      await lmdbStore({ path: ${JSON.stringify(folder)} }).close()
      console.log('"opened"')
    } catch (error) {
      console.log(JSON.stringify({ name: error.name, code: error.code, message: error.message }))
    }`
}

/** Does so in another process, while this one stands still; answers what it said. */
function openElsewhere(library: string, folder: string, wrapper: readonly string[] = []): unknown {
  const script = openingScript(library, folder)
  const [command = '', ...args] = [...wrapper, process.execPath, '--input-type=module', '-e', script]
  const { status, signal, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`it ended with ${status ?? signal}: ${stderr}`)
  return JSON.parse(stdout)
}

describe('a folder that cannot be had', () => {
  it.each(['file', 'file/below'])('%s: STORE_UNAVAILABLE', name => {
    writeFileSync(join(root, 'file'), 'mine')
    const path = join(root, name)
    expect(refusalOf(path)).toEqual({ code: 'STORE_UNAVAILABLE', message: `${path} is no folder: name another one` })
    expect(readFileSync(join(root, 'file'), 'utf8')).toBe('mine')
  })

  it('without the right to write: STORE_UNAVAILABLE', () => {
    const folder = copyOfSound()
    chmodSync(folder, 0o555)
    // Root may do everything, so somebody else opens it.
    const isRoot = process.getuid?.() === 0
    const asNobody = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'] : []
    expect(openElsewhere(dist, folder, asNobody)).toEqual({
      name: 'RetrysafeError',
      code: 'STORE_UNAVAILABLE',
      message: `${folder} cannot be written: give this user the right to, or name another folder`,
    })
    chmodSync(folder, 0o755)
    expect(openElsewhere(dist, folder)).toBe('opened')
  })

  it('with a limit on the size of files: STORE_FULL', () => {
    const folder = join(root, 'limited')
    expect(openElsewhere(dist, folder, ['prlimit', '--fsize=20480', '--'])).toEqual({
      name: 'RetrysafeError',
      code: 'STORE_FULL',
      message: `no space is left for ${folder}: free some, or move the store`,
    })
  })
})

it.each(['/proc/retrysafe/data', '/proc'])('where no folder can be made, %s: STORE_UNAVAILABLE, at once', path => {
  // Node's own recursive mkdir never comes back from there.
  expect(() => lmdbStore({ path })).toThrow(
    expect.objectContaining({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining(path) }),
  )
})

describe('a file that is not ours to read', () => {
  it('of a newer version: STORE_INCOMPATIBLE, and it is left alone', async () => {
    const folder = copyOfSound()
    const binary = { encoding: 'binary', keyEncoding: 'binary' } as const
    const environment = open({ ...binary, path: folder, noSubdir: false, maxDbs: 12 })
    environment.openDB({ ...binary, name: 'meta' }).putSync(Buffer.from('format'), Buffer.from('99'))
    await environment.close()
    const data = join(folder, 'data.mdb')
    const before = readFileSync(data)
    expect(refusalOf(folder)).toEqual({
      code: 'STORE_INCOMPATIBLE',
      message: `${data} was written by a newer version: upgrade this one, or give it another folder`,
    })
    expect(readFileSync(data).equals(before)).toBe(true)
    expect(readdirSync(join(folder, 'processes'))).toEqual([])
  })

  it('damaged: STORE_INCOMPATIBLE, set aside with its bytes; the next opening is a new store', async () => {
    const folder = copyOfSound()
    const data = join(folder, 'data.mdb')
    truncateSync(data, 10_000)
    const before = readFileSync(data)
    const { code, message } = refusalOf(folder)
    expect(code).toBe('STORE_INCOMPATIBLE')
    expect(message).toContain(`${data} is damaged (`)
    const [aside = ''] = readdirSync(folder).filter(name => name.startsWith('data.mdb'))
    expect(aside).toMatch(/^data\.mdb\.damaged-/)
    expect(message).toContain(`set aside as ${join(folder, aside)}`)
    expect(readFileSync(join(folder, aside)).equals(before)).toBe(true)

    const store = lmdbStore({ path: folder })
    expect(await store.get(claimTerms().key)).toBeUndefined()
    await store.close()
    expect(readFileSync(join(folder, aside)).equals(before)).toBe(true)
  })

  it('damaged while another process has the store open: that one vouches, nothing is moved', async () => {
    const store = lmdbStore({ path: copyOfSound() })
    await store.close()
    const folder = copyOfSound()
    const keeper = lmdbStore({ path: folder })
    // This process must be able to answer: it holds LMDB's lock while the other one opens.
    const args = ['--input-type=module', '-e', openingScript(dist, folder)]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
    expect(stdout).toBe('"opened"\n')
    expect((await keeper.get(claimTerms().key))?.state).toBe('completed')
    await keeper.close()
    expect(readdirSync(folder).sort()).toEqual(['data.mdb', 'lock.mdb', 'processes'])
  })
})

describe('a network file system', () => {
  it.each([
    [0x6969, 'NFS'],
    [0xff534d42, 'CIFS'],
    [0x01021997, '9p'],
    [0x65735546, 'FUSE or virtiofs'],
    // As a signed number, the way some systems tell it.
    [0xff534d42 | 0, 'CIFS'],
  ])('of type %i is %s: no place for a store', (type, name) => {
    expect(nameUnsafeFileSystem(root, () => type)).toBe(name)
  })

  it.each([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630])('ext4, XFS, Btrfs, tmpfs, overlay: %i is', type => {
    expect(nameUnsafeFileSystem(root, () => type)).toBeUndefined()
  })
})

describe('the package lmdb', () => {
  const need = 'an LMDB store needs the package lmdb, which'

  it('is not installed: PEER_MISSING says how to get it, and the folder is not touched', () => {
    const library = join(root, 'without-peers')
    cpSync(dist, join(library, 'dist'), { recursive: true })
    writeFileSync(join(library, 'package.json'), '{"type":"module"}')
    const folder = copyOfSound()
    const before = readFileSync(join(folder, 'data.mdb'))
    expect(openElsewhere(join(library, 'dist'), folder)).toEqual({
      name: 'RetrysafeError',
      code: 'PEER_MISSING',
      message: `${need} is not installed: npm install lmdb`,
    })
    expect(readFileSync(join(folder, 'data.mdb')).equals(before)).toBe(true)
    expect(readdirSync(join(folder, 'processes'))).toEqual([])
  })

  it('cannot be loaded: PEER_MISSING says why', () => {
    const library = join(root, 'with-a-broken-peer')
    cpSync(dist, join(library, 'dist'), { recursive: true })
    writeFileSync(join(library, 'package.json'), '{"type":"module"}')
    mkdirSync(join(library, 'node_modules', 'lmdb'), { recursive: true })
    writeFileSync(join(library, 'node_modules', 'lmdb', 'index.js'), 'throw new Error("no build for this machine")')
    expect(openElsewhere(join(library, 'dist'), copyOfSound())).toEqual({
      name: 'RetrysafeError',
      code: 'PEER_MISSING',
      message: `${need} could not be loaded: no build for this machine`,
    })
  })
})

import { constants } from 'node:fs'
import { access, open } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { canonicalJson } from 'retrysafe/internal/fingerprint/json'
import { FlagError } from './flag.ts'
import { findRepeatedName } from './repeated-name.ts'

/** A configuration file that was read; what stands in it has not been looked at. */
export interface ConfigFile {
  readonly path: string
  readonly members: Readonly<Record<string, unknown>>
  /** Whether others on this machine can read that secret in it. */
  exposes(secret: string): boolean
}

const names = ['retrysafe.config.json', 'retrysafe.config.js'] as const
const maxFileBytes = 1_048_576
/** A program that gives its configuration may ask somebody for it, but not for ever. */
const maxLoadMs = 10_000
const readableByOthers = 0o044

/**
 * The file in the working directory, where there is one.
 *
 * @returns its absolute path
 */
export async function findConfigFile(folder: string): Promise<string | undefined> {
  const found: string[] = []
  for (const name of names) {
    const path = resolve(folder, name)
    const isThere = await access(path, constants.F_OK).then(
      () => true,
      () => false,
    )
    if (isThere) found.push(path)
  }
  if (found.length > 1)
    throw new FlagError(`${names.join(' and ')} are both there: leave one, or say which by --config`)
  return found[0]
}

/** @param path of a .json or .js file */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const absolute = resolve(path)
  const kind = extname(absolute)
  if (kind !== '.json' && kind !== '.js') throw new FlagError('it takes a file whose name ends in .json or .js')
  const { text, mode } = await readText(absolute)
  const value = kind === '.json' ? parseJson(text) : await runProgram(absolute)
  if (!isPlain(value)) {
    throw new FlagError(
      kind === '.json' ? 'it takes an object' : 'it takes an object, or a function that returns one, as default export',
    )
  }
  const isOpen = process.platform !== 'win32' && (mode & readableByOthers) !== 0
  return {
    path: absolute,
    members: value,
    // A program may have got its secrets elsewhere.
    exposes: secret => isOpen && (kind === '.json' || text.includes(secret)),
  }
}

/** A map, or an instance of a class, has members that nobody would find: it would say nothing, and not be told. */
function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const parent: unknown = Object.getPrototypeOf(value)
  return parent === null || parent === Object.prototype
}

async function readText(path: string): Promise<{ text: string; mode: number }> {
  try {
    const file = await open(path)
    try {
      const { size, mode } = await file.stat()
      if (size > maxFileBytes) throw new FlagError(`it takes a file of at most ${maxFileBytes} bytes`)
      return { text: await file.readFile('utf8'), mode }
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof FlagError) throw error
    throw new FlagError(`it cannot be read: ${Reflect.get(Object(error), 'code') ?? String(error)}`)
  }
}

/** Not by the parser's own message: it quotes what stands around the fault, which may be a secret. */
function parseJson(text: string): unknown {
  const bytes = Buffer.from(text)
  const checked = canonicalJson(bytes)
  if (checked.kind === 'invalid') {
    throw new FlagError(
      `it is no JSON: ${checked.reason} ${placeAfter(bytes.toString('utf8', 0, checked.offsetBytes))}`,
    )
  }
  const repeated = findRepeatedName(text)
  if (repeated !== undefined) {
    const { name, offset } = repeated
    throw new FlagError(`${name.slice(0, 64)}: it is said twice ${placeAfter(text.slice(0, offset))}`)
  }
  return JSON.parse(text)
}

function placeAfter(before: string): string {
  const lines = before.split('\n')
  return `(line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1})`
}

async function runProgram(path: string): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new FlagError(`it took longer than ${maxLoadMs / 1_000} s`)), maxLoadMs)
  })
  try {
    return await Promise.race([load(path), late])
  } catch (error) {
    if (error instanceof FlagError) throw error
    throw new FlagError(
      `it failed: ${error instanceof Error ? `${error.name}: ${error.message}` : 'it threw no error'}`,
    )
  } finally {
    clearTimeout(timer)
  }
}

async function load(path: string): Promise<unknown> {
  const module: unknown = await import(pathToFileURL(path).href)
  const exported: unknown = Reflect.get(Object(module), 'default')
  const given: unknown = typeof exported === 'function' ? await exported() : exported
  // Members that are worked out are worked out here, where a fault is told as the program's.
  return isPlain(given) ? { ...given } : given
}

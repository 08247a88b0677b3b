import { readFileSync, statSync } from 'node:fs'
import type { SettableMember } from './config.ts'
import { type Flag, FlagError, type ValueShape } from './flag.ts'
import { serveFlags } from './flags.ts'

/** A member of the configuration file that says what a flag says. */
export interface FileMember {
  readonly member: SettableMember
  readonly flag: Flag
  /** It names a file in which the value stands. */
  readonly isPath: boolean
}

/** Of one repeatable flag. */
export const maxValues = 1_000
const maxSecretBytes = 65_536

/** What a flag is called in the file: `--key-header` is `keyHeader`. */
export function memberName({ flag }: Flag): string {
  const name = flag.replace(/^--/, '').replace(/ .*/, '')
  return name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}

/** By their names in the file. */
export const fileMembers: ReadonlyMap<string, FileMember> = new Map(
  Object.entries<Flag>(serveFlags).flatMap(([key, flag]) => {
    const member = key as SettableMember
    const name = memberName(flag)
    const own: [string, FileMember] = [name, { member, flag, isPath: false }]
    return flag.secret ? [own, [`${name}File`, { member, flag, isPath: true }]] : [own]
  }),
)

export function shapeOf({ read }: Flag): ValueShape {
  return read.shape ?? { type: 'string' }
}

/** The values of a member as its flag would be given them; throws a `FlagError`, which begins with `[2]: ` within a list. */
export function textsOf(flag: Flag, value: unknown): readonly string[] {
  if (!flag.repeatable || !Array.isArray(value)) return [textOf(flag, value)]
  if (value.length > maxValues) throw new FlagError(`it takes at most ${maxValues} values`)
  // None is what holds by default where there is no default.
  if (value.length === 0 && flag.fallback !== undefined) throw new FlagError('it takes one value at least')
  return value.map((one, at) => within(`[${at}]`, () => textOf(flag, one)))
}

function textOf(flag: Flag, value: unknown): string {
  const shape = shapeOf(flag)
  switch (shape.type) {
    case 'integer':
      if (typeof value === 'number') return String(value)
      throw new FlagError(`it takes a whole number from ${shape.minimum} to ${shape.maximum}`)
    case 'boolean':
      if (typeof value === 'boolean') return value ? 'on' : 'off'
      throw new FlagError('it takes true or false')
    case 'string':
      if (typeof value === 'string') return value
      if (typeof value === 'number') flag.read(String(value))
      throw new FlagError(shape.enum === undefined ? 'it takes a text' : `it takes ${shape.enum.join(' or ')}`)
  }
}

/** What stands in a file, for a secret that is to stand nowhere else. */
export function readSecretFile(path: string): string {
  try {
    if (statSync(path).size > maxSecretBytes) throw new FlagError(`it takes a file of at most ${maxSecretBytes} bytes`)
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if (error instanceof FlagError) throw error
    throw new FlagError(`${path} cannot be read: ${Reflect.get(Object(error), 'code') ?? String(error)}`)
  }
}

/** Puts a place before what a `FlagError` says of it. */
export function within<Value>(place: string, read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof FlagError)) throw error
    const separator = error.message.startsWith('[') || error.message.startsWith('.') ? '' : ': '
    throw new FlagError(place + separator + error.message)
  }
}

import { maxKeyLength } from '../protocol/key.ts'
import { RetrysafeError } from './errors.ts'

/** What a key or tenant function gives; `undefined`, `null`: none. */
export type Given = string | null | undefined

/**
 * Asks a function of the developer's.
 *
 * @param what its name in the options
 * @throws {RetrysafeError} `CALLBACK_FAILED`, with what it threw as its `cause`
 */
export async function ask<Answer>(what: string, of: () => Answer | Promise<Answer>): Promise<Answer> {
  try {
    return await of()
  } catch (cause) {
    throw callbackFailed(what, cause)
  }
}

export function callbackFailed(what: string, cause: unknown): RetrysafeError {
  return new RetrysafeError('CALLBACK_FAILED', `The ${what} function failed.`, { cause })
}

/** The same, where it is to give a text. */
export async function askText(what: string, of: () => Given | Promise<Given>): Promise<string | undefined> {
  const given: unknown = await ask(what, of)
  if (given === undefined || given === null) return undefined
  // Hashed as UTF-8, two different lone surrogates would be one.
  if (typeof given === 'string' && !/\p{Surrogate}/u.test(given)) return given
  const cause = new TypeError(`the ${what} function gave ${typeof given}; it takes a well-formed string, or nothing`)
  throw new RetrysafeError('CALLBACK_FAILED', `The ${what} function gave no text.`, { cause })
}

/** Why what a key function gave is no key. */
export function keyFault(key: string): string | undefined {
  if (key === '') return 'the key function gave an empty key'
  if (key.length > maxKeyLength) return `the key function gave ${key.length} characters > ${maxKeyLength}`
  return undefined
}

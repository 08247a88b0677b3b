import { FlagError } from '../../config/flag.ts'

/** Where a batch's calls go; its path stands before every line's. */
export interface BaseUrl {
  readonly origin: string
  /** Without a slash at its end; empty for none. */
  readonly path: string
}

/** What `--base-url` takes: an http or https URL. No message shows more than its rule: a URL may hold a password. */
export function readBaseUrl(text: string): BaseUrl {
  if (!/^https?:\/\/[^/]/i.test(text) || /[\s\\]/.test(text) || !URL.canParse(text)) {
    throw new FlagError('it takes an http or https URL such as https://api.openai.com/v1 or http://127.0.0.1:8787/v1')
  }
  if (/^[^/]*\/\/[^/?#]*@/.test(text)) {
    throw new FlagError('it takes a URL without user and password: --api-key-env NAME names the variable with the key')
  }
  if (/[?#]/.test(text)) throw new FlagError("it takes a URL without query and fragment: those belong to a line's url")
  const { origin, pathname } = new URL(text)
  const path = pathname.replace(/\/+$/, '')
  if (path.includes('//')) throw new FlagError('it takes a URL without an empty segment (//) in its path')
  return { origin, path }
}

/**
 * The target of a line under a base: SDKs write the version into the base URL, and the files of OpenAI's Batch API write
 * it into every line. Where both do, it stands there once.
 *
 * @param url of a line: a path, perhaps with a query
 * @example
 * joinUrl('/openai/v1', '/v1/chat/completions') // '/openai/v1/chat/completions'
 */
export function joinUrl(basePath: string, url: string): string {
  const version = /\/v\d[0-9a-z]*$/.exec(basePath)?.[0]
  const isTwice = version !== undefined && url.startsWith(version) && /^[/?]?$/.test(url.charAt(version.length))
  return basePath + (isTwice ? url.slice(version.length) : url)
}

import { defaultUpstream, type UpstreamTarget } from './config.ts'
import { FlagError } from './flag.ts'

/** Hosts only: clients keep the path that the provider's own base URL has, such as /v1. */
const builtIn: readonly UpstreamTarget[] = [
  { name: 'openai', origin: 'https://api.openai.com', basePath: '' },
  { name: 'anthropic', origin: 'https://api.anthropic.com', basePath: '' },
  { name: 'gemini', origin: 'https://generativelanguage.googleapis.com', basePath: '' },
  { name: 'ollama', origin: 'http://127.0.0.1:11434', basePath: '' },
]

/** A scheme has no `=` before it ends, and a bare URL begins with one. */
const named = /^([^:/?#]*)=(.*)$/s

/**
 * Reads `URL` or `NAME=URL`.
 *
 * @example
 * readUpstream('azure=https://example.openai.azure.com/openai') // name azure, basePath /openai
 */
export function readUpstream(text: string): UpstreamTarget {
  const [, name, url = ''] = named.exec(text) ?? [text, undefined, text]
  if (name !== undefined) checkName(name)
  return { name: name ?? defaultUpstream, ...readUrl(url) }
}

/** By their names. A URL without a name serves every path, and turns the built-in ones off. */
export function combineUpstreams(given: readonly UpstreamTarget[]): ReadonlyMap<string, UpstreamTarget> {
  const upstreams = new Map<string, UpstreamTarget>()
  for (const target of given) {
    const { name } = target
    if (upstreams.has(name)) {
      throw new FlagError(name === defaultUpstream ? 'it takes one URL without a name' : `two have the name ${name}`)
    }
    upstreams.set(name, target)
  }
  if (upstreams.has(defaultUpstream)) return upstreams
  return new Map([...builtIn.map(target => [target.name, target] as const), ...upstreams])
}

function checkName(name: string): void {
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(name)) {
    throw new FlagError('it takes NAME=URL with a NAME of 1 to 64 letters, digits, dots, hyphens and underscores')
  }
  // A dot segment is never served; the others mean something else.
  if (['.', '..', '_retrysafe', defaultUpstream].includes(name)) throw new FlagError(`${name} cannot be a NAME`)
}

function readUrl(text: string): Omit<UpstreamTarget, 'name'> {
  const url = /^https?:\/\/[^/]/i.test(text) && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || /[\s\\]/.test(text)) {
    throw new FlagError('it takes an http or https URL such as https://api.example.com, or NAME=URL')
  }
  if (/^[^/]*\/\/[^/?#]*@/.test(text)) throw new FlagError('it takes a URL without user and password')
  if (/[?#]/.test(text)) throw new FlagError('it takes a URL without query and fragment')
  const basePath = url.pathname.replace(/\/+$/, '')
  if (basePath.includes('//')) throw new FlagError('it takes a URL without an empty segment (//) in its path')
  return { origin: url.origin, basePath }
}

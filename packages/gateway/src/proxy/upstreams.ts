import { defaultUpstream, type UpstreamTarget } from '../config/config.ts'
import { openUpstream, type Upstream, type UpstreamTerms } from './upstream.ts'

/** Who serves a path, and what that path is there. */
export interface Route {
  readonly upstream: Upstream
  /** Without the prefix that chose the upstream. */
  readonly path: string
}

/** All upstreams: each name serves the paths below it, the one without a name serves the rest. */
export interface Upstreams {
  /** How the paths begin that somebody serves, for people. */
  readonly prefixes: string
  /**
   * Exact: case counts, percent signs are not looked into.
   *
   * @returns `undefined` when no upstream serves `path`
   */
  find(path: string): Route | undefined
  close(): Promise<void>
}

export function openUpstreams(targets: ReadonlyMap<string, UpstreamTarget>, terms: UpstreamTerms): Upstreams {
  const named = new Map([...targets].map(([name, target]) => [name, openUpstream(target, terms)]))
  const bare = named.get(defaultUpstream)
  named.delete(defaultUpstream)
  return {
    prefixes: [...named.keys()].map(name => `/${name}/`).join(' '),
    find(path) {
      const end = path.indexOf('/', 1)
      const upstream = named.size === 0 ? undefined : named.get(end === -1 ? path.slice(1) : path.slice(1, end))
      if (upstream !== undefined) return { upstream, path: end === -1 ? '/' : path.slice(end) }
      return bare === undefined ? undefined : { upstream: bare, path }
    },
    async close() {
      const all = bare === undefined ? [...named.values()] : [...named.values(), bare]
      await Promise.all(all.map(upstream => upstream.close()))
    },
  }
}

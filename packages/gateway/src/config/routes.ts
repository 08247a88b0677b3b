import { compileLeaveOut, type LeaveOut } from 'retrysafe/internal/fingerprint/leave-out'
import type { RouteConfig, RoutedMember } from './config.ts'
import { FlagError, readFlag } from './flag.ts'
import { fileMembers, textsOf, within } from './members.ts'
import { nearestName } from './nearest-name.ts'
import { covers, overlap, readPattern } from './path-pattern.ts'

export const maxRoutes = 1_000
/** JSON pointers of one route. */
export const maxPointers = 32

const routedMembers: { readonly [Member in RoutedMember]: true } = {
  tenant: true,
  methods: true,
  recordStatus: true,
  retentionMs: true,
  keyless: true,
  fingerprintWindowMs: true,
  keyReuse: true,
  waitMs: true,
  onDisconnect: true,
  onCrash: true,
  maxAttempts: true,
  expiryAware: true,
  upstreamRetries: true,
}
const routed: ReadonlySet<string> = new Set(Object.keys(routedMembers))

/** What a route may say, by its names. */
export const routeMemberNames: readonly string[] = [...fileMembers]
  .filter(([, { member }]) => routed.has(member))
  .map(([name]) => name)
const ownNames = ['match', 'leaveOut']

/**
 * Reads `routes` of the configuration file: patterns of paths, and what holds for them. Throws a `FlagError`, which
 * begins with the place.
 *
 * @example
 * readRoutes([{ match: '/openai/v1/chat/*', retention: '1h', leaveOut: ['/metadata/trace_id'] }])
 */
export function readRoutes(value: unknown): readonly RouteConfig[] {
  if (!Array.isArray(value)) throw new FlagError('it takes a list of routes')
  if (value.length > maxRoutes) throw new FlagError(`${value.length} routes > ${maxRoutes}`)
  const routes = value.map((one: unknown, at) => within(`[${at}]`, () => readRoute(one)))
  checkOverlaps(routes)
  return routes
}

function readRoute(value: unknown): RouteConfig {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FlagError('it takes an object such as { "match": "/openai/v1/chat/*", "retention": "1h" }')
  }
  const written = Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined))
  const { match } = written
  if (typeof match !== 'string')
    throw new FlagError('.match: it takes the pattern of a path, such as /openai/v1/chat/*')
  const rules: Record<string, unknown> = {}
  for (const [name, one] of Object.entries(written)) {
    if (ownNames.includes(name)) continue
    const found = fileMembers.get(name)
    if (found === undefined || !routed.has(found.member)) throw new FlagError(`.${misplaced(name)}`)
    rules[found.member] = within(`.${name}`, () => readFlag(found.flag, textsOf(found.flag, one)))
  }
  const pattern = within('.match', () => readPattern(match))
  const { leaveOut } = written
  return {
    pattern,
    rules,
    ...(leaveOut !== undefined && { leaveOut: within('.leaveOut', () => readPointers(leaveOut)) }),
    written,
  }
}

/** Without its value: it may be a secret. */
function misplaced(name: string): string {
  if (fileMembers.has(name)) return `${name}: it holds for the whole gateway, and cannot stand in a route`
  const near = nearestName(name, [...ownNames, ...routeMemberNames])
  return `${name}: a route has no such member${near === undefined ? '' : `; did you mean ${near}?`}`
}

function readPointers(value: unknown): LeaveOut {
  if (!Array.isArray(value) || value.length === 0 || value.some(pointer => typeof pointer !== 'string')) {
    throw new FlagError('it takes a list of JSON pointers such as "/metadata/trace_id"')
  }
  if (value.length > maxPointers) throw new FlagError(`${value.length} JSON pointers > ${maxPointers}`)
  const compiled = compileLeaveOut(value)
  if (compiled.kind === 'invalid') throw new FlagError(compiled.reason)
  return compiled.leaveOut
}

/** Where two overlap and neither is the narrower one, nobody can say which is meant. */
function checkOverlaps(routes: readonly RouteConfig[]): void {
  routes.forEach(({ pattern: one }, at) => {
    for (let before = 0; before < at; before++) {
      const other = routes[before]?.pattern
      if (other === undefined || !overlap(one, other)) continue
      const [oneCovers, otherCovers] = [covers(one, other), covers(other, one)]
      if (oneCovers !== otherCovers) continue
      const pair = `${other.text} (routes[${before}]) and ${one.text} (routes[${at}])`
      const why = oneCovers ? 'match the same paths' : 'overlap, and neither is narrower than the other'
      throw new FlagError(`${pair} ${why}: nobody could say which one holds`)
    }
  })
}

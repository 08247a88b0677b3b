/** What calls are summed up by. */
export interface RowName {
  /** The first 8 characters of the tenant's HMAC. */
  readonly tenant: string
  /** The upstream's name, and the path as it was asked for, without what names one thing of many. */
  readonly route: string
  /** As the provider named it, else as the request did; `unknown` where nobody said. */
  readonly model: string
}

/** A row's name as one text. */
export type RowKey = string & { readonly rowKey: true }

export const unknownModel = 'unknown'

/** Takes what there is no room for. */
export const other: RowName = { tenant: 'other', route: 'other', model: 'other' }

const maxRouteLength = 120
const maxModelLength = 80
const control = /\p{Cc}/gu

export const otherRow: RowKey = rowKey(other)

/** Neither paths nor tenants hold a line break, and of a model's name it is taken out. */
export function rowKey({ tenant, route, model }: RowName): RowKey {
  return `${tenant}\n${route}\n${model.slice(0, maxModelLength).replace(control, '')}` as RowKey
}

/** `undefined`: this is no row's name. */
export function readRowKey(key: string): RowName | undefined {
  const [tenant, route, model, more] = key.split('\n')
  if (tenant === undefined || route === undefined || model === undefined || more !== undefined) return undefined
  return { tenant, route, model }
}

/**
 * The route of a path: `/v1/threads/thread_abc123def456ghi/runs` and its like are one, `/v1/threads/{id}/runs`.
 *
 * @param upstream by its name
 */
export function routeOf(upstream: string, path: string): string {
  const segments = path.split('/', 24).map(segment => (isId(segment) ? '{id}' : segment))
  return `${upstream} ${segments.join('/')}`.slice(0, maxRouteLength)
}

/** A number, a UUID, or a long name with digits in it; not a model before its method (`gemini-2.5-pro:generateContent`). */
function isId(segment: string): boolean {
  if (/^\d+$/.test(segment)) return true
  return segment.length >= 16 && /\d/.test(segment) && !segment.includes(':') && !segment.includes('.')
}

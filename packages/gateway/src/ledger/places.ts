import { otherRow, type RowKey, routeOf, rowKey } from './row.ts'

/** Paths of tenants whose place is remembered; routes, by tenant, that have answered; models of a place. */
const maxPlaces = 2_000
const maxProven = 10_000
const maxModels = 100

/** Where a request is counted. */
export interface PlaceTerms {
  readonly tenant: string
  readonly upstream: string
  /** Of the request, without the upstream's own. */
  readonly path: string
}

/** The rows of one path and tenant: found once, for most requests are for the same few. */
export class Place {
  readonly #tenant: string
  readonly #route: string
  readonly #proven: Set<string>
  readonly #keys = new Map<string, RowKey>()
  #isProven = false

  constructor({ tenant, upstream, path }: PlaceTerms, proven: Set<string>) {
    this.#tenant = tenant.slice(0, 8)
    this.#route = routeOf(upstream, path)
    this.#proven = proven
  }

  /** The row of a call that had an answer. */
  row(model: string): RowKey {
    if (!this.#isProven) {
      this.#isProven = true
      if (this.#proven.size < maxProven) this.#proven.add(this.#name)
    }
    return this.#rowOf(model)
  }

  /** The row of one that had none. Only who has had one gets a row by failing: paths and credentials are made up easily. */
  rowOfFailure(model: string): RowKey {
    return this.#isProven || this.#proven.has(this.#name) ? this.#rowOf(model) : otherRow
  }

  get #name(): string {
    return `${this.#tenant} ${this.#route}`
  }

  #rowOf(model: string): RowKey {
    const known = this.#keys.get(model)
    if (known !== undefined) return known
    const key = rowKey({ tenant: this.#tenant, route: this.#route, model })
    if (this.#keys.size < maxModels) this.#keys.set(model, key)
    return key
  }
}

/** All places, bounded. */
export class Places {
  readonly #places = new Map<string, Place>()
  readonly #proven = new Set<string>()

  of(terms: PlaceTerms): Place {
    const name = `${terms.tenant} ${terms.upstream} ${terms.path}`
    const known = this.#places.get(name)
    if (known !== undefined) return known
    const place = new Place(terms, this.#proven)
    if (this.#places.size >= maxPlaces) this.#places.clear()
    this.#places.set(name, place)
    return place
  }
}

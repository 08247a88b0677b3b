import type { JsonShape } from './json-shape.ts'
import type { JsonText } from './json-text.ts'

/** Most items that are kept, of all arrays of a value. */
const maxItems = 1_024

interface OpenContainer {
  readonly shape: JsonShape
  readonly value: Record<string, unknown> | unknown[]
}

/** What a shape asks for of one JSON value, put together while the value is read. */
export class JsonSelection {
  readonly #shape: JsonShape
  #value: unknown
  /** The containers that are kept, outer ones first. */
  readonly #open: OpenContainer[] = []
  /** How many containers are open inside the innermost that is kept. */
  #unkept = 0
  /** What to keep of the value to come, and as which member. */
  #wanted: JsonShape | undefined
  #name = ''
  #itemCount = 0

  constructor(shape: JsonShape) {
    this.#shape = shape
    this.#wanted = shape
  }

  reset(): void {
    this.#value = undefined
    this.#open.length = 0
    this.#unkept = 0
    this.#wanted = this.#shape
    this.#itemCount = 0
  }

  get value(): unknown {
    return this.#value
  }

  /** Whether the value to come is wanted. */
  get isWanted(): boolean {
    return this.#wanted !== undefined
  }

  /** Whether names of members matter here. */
  get hasMembers(): boolean {
    return this.#unkept === 0
  }

  wantMember(name: JsonText): void {
    this.#wanted = undefined
    if (this.#unkept > 0) return
    for (const member of this.#open.at(-1)?.shape.members ?? []) {
      if (!name.names(member)) continue
      this.#name = member.name
      this.#wanted = member.shape
      return
    }
  }

  wantItem(): void {
    const isKept = this.#unkept === 0 && this.#itemCount < maxItems
    this.#wanted = isKept ? this.#open.at(-1)?.shape.items : undefined
  }

  put(value: unknown): void {
    if (this.#wanted === undefined) return
    const parent = this.#open.at(-1)?.value
    if (parent === undefined) this.#value = value
    else if (Array.isArray(parent)) {
      parent.push(value)
      this.#itemCount++
    } else parent[this.#name] = value
    this.#wanted = undefined
  }

  open(isObject: boolean): void {
    const shape = this.#wanted
    const value = isObject ? {} : []
    this.put(value)
    const isKept = shape !== undefined && (isObject ? shape.members.length > 0 : shape.items !== undefined)
    if (isKept) this.#open.push({ shape, value })
    else this.#unkept++
  }

  close(): void {
    if (this.#unkept > 0) this.#unkept--
    else this.#open.pop()
  }
}

/** The parts of a JSON value that are worth keeping; `JsonReader` says how. */
export interface JsonShape {
  readonly members: readonly JsonMember[]
  readonly items: JsonShape | undefined
}

export interface JsonMember {
  readonly name: string
  /** The name in UTF-8. */
  readonly bytes: Uint8Array
  readonly shape: JsonShape
}

/** Of a string, a number, a boolean or null: itself. */
export const plain: JsonShape = { members: [], items: undefined }

/**
 * Of an object: these members.
 *
 * @example
 * members({ model: plain, usage: members({ output_tokens: plain }) })
 */
export function members(shapes: Readonly<Record<string, JsonShape>>): JsonShape {
  const list = Object.entries(shapes).map(([name, shape]) => ({ name, bytes: Buffer.from(name), shape }))
  return { members: list, items: undefined }
}

/** Of an array: this of every item. */
export function items(shape: JsonShape): JsonShape {
  return { members: [], items: shape }
}

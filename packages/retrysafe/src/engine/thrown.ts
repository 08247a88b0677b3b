const longest = 500

/**
 * What was thrown, in words: 500 characters at most. JavaScript throws anything, also what has no text, such as
 * `Object.create(null)`.
 *
 * @example
 * describeThrown(new TypeError('no')) // 'TypeError: no'
 */
export function describeThrown(thrown: unknown): string {
  const text = textOf(thrown)
  return text.length > longest ? `${text.slice(0, longest)}…` : text
}

function textOf(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return `something that has no text (${typeof thrown})`
  }
}

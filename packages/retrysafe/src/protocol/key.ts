/** What an idempotency key header says. `invalid` carries the reason, to be shown to the caller. */
export type KeyReading = { kind: 'absent' } | { kind: 'key'; key: string } | { kind: 'invalid'; reason: string }

/** Longest key, counted after unescaping. */
export const maxKeyLength = 255

/**
 * Reads an idempotency key from all the header lines that carried it.
 * A bare token and an RFC 8941 String (quoted) name the same key: SDKs send the former, the IETF draft wants the latter.
 *
 * @param lines the values of every line of that header, in order; two lines are refused, they could name two keys
 * @example
 * readKey(['"order-42"']) // { kind: 'key', key: 'order-42' }
 * @see draft-ietf-httpapi-idempotency-key-header-07 §2.1, RFC 8941 §3.3.3
 */
export function readKey(lines: readonly string[]): KeyReading {
  const [line, second] = lines
  if (line === undefined) return { kind: 'absent' }
  if (second !== undefined) return invalid('the header was sent twice; send exactly one key')
  // Optional white space around a field value is space and tab, nothing else (RFC 9110 §5.6.3).
  const value = line.replace(/^[ \t]+|[ \t]+$/g, '')
  return value.startsWith('"') ? readQuoted(value) : readBare(value)
}

function readBare(value: string): KeyReading {
  if (value.length === 0) return invalid('the key is empty; send 1 to 255 visible ASCII characters')
  for (const char of value) {
    if (char === '"' || char === ',' || char === ';' || char === '\\') {
      return invalid(`a bare key may not hold ${char} ; quote the key, or leave that character out`)
    }
    if (!isVisible(char)) return invalid('the key holds a space, a control or a non-ASCII character')
  }
  return bounded(value)
}

function readQuoted(value: string): KeyReading {
  let key = ''
  for (let at = 1; at < value.length; at++) {
    const char = value.charAt(at)
    if (char === '"') {
      if (at !== value.length - 1)
        return invalid('something follows the closing quote; parameters and lists are refused')
      return key.length === 0 ? invalid('the key is empty; send 1 to 255 visible ASCII characters') : bounded(key)
    }
    if (char === '\\') {
      at++
      const escaped = value.charAt(at)
      if (escaped !== '"' && escaped !== '\\') return invalid('a backslash may only stand before " or \\')
      key += escaped
    } else if (isVisible(char)) {
      key += char
    } else {
      return invalid('the key holds a space, a control or a non-ASCII character')
    }
  }
  return invalid('the closing quote is missing')
}

function bounded(key: string): KeyReading {
  if (key.length <= maxKeyLength) return { kind: 'key', key }
  return invalid(`the key has ${key.length} characters > ${maxKeyLength}`)
}

function isVisible(char: string): boolean {
  return char >= '!' && char <= '~'
}

function invalid(reason: string): KeyReading {
  return { kind: 'invalid', reason }
}

/** `name` is lower case; `value` is what stands between the quotes, or without them. */
export interface HeaderParameter {
  readonly name: string
  readonly value: string
}

/** A header's value before its parameters, and these, from their first `;` on. */
export function splitParameters(value: string): { first: string; parameters: string } {
  const end = value.indexOf(';')
  if (end === -1) return { first: trimSpaces(value), parameters: '' }
  return { first: trimSpaces(value.slice(0, end)), parameters: value.slice(end) }
}

const parameter = /[ \t]*;[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^";]*)))?/y

/**
 * What follows the value of a header such as Content-Type: `; boundary=x; charset="utf-8"` (RFC 9110 §5.6.6).
 * Values without quotes may hold more than that allows, as boundaries in practice do. Escapes in quotes are left as they
 * are: browsers write none, and some file names hold backslashes that are none.
 *
 * @returns `undefined` when it is malformed
 */
export function readParameters(text: string): HeaderParameter[] | undefined {
  const found: HeaderParameter[] = []
  const list = trimSpaces(text)
  parameter.lastIndex = 0
  for (let at = 0; at < list.length; at = parameter.lastIndex) {
    const match = parameter.exec(list)
    if (match === null) return undefined
    const [, name, quoted, bare] = match
    if (name !== undefined) found.push({ name: name.toLowerCase(), value: quoted ?? trimSpaces(bare ?? '') })
  }
  return found
}

/**
 * One spelling for parameters that mean the same: neither quotes nor spaces nor their order count. What is malformed
 * stands for itself.
 *
 * @param isMeaningless which parameters do not count; default none
 */
export function canonicalParameters(
  text: string,
  isMeaningless: (parameter: HeaderParameter) => boolean = () => false,
): string {
  if (text === '') return ''
  const parameters = readParameters(text)
  if (parameters === undefined) return `malformed${lengthPrefixed(text)}`
  return parameters
    .filter(parameter => !isMeaningless(parameter))
    .sort((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0))
    .map(({ name, value }) => lengthPrefixed(name) + lengthPrefixed(value))
    .join('')
}

/** Without spaces and tabs around it. Not `trim`: that takes 0xA0, which is half of an `à` in a file name. */
export function trimSpaces(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (start < end && isSpace(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** So that no field can spill into the next. */
export function lengthPrefixed(field: string): string {
  return `${field.length}:${field}`
}

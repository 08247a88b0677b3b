/** What a terminal is known to show. */
export interface TerminalStyle {
  readonly color: boolean
  /** Whether it knows more than ASCII. */
  readonly unicode: boolean
}

type Environment = Readonly<Record<string, string | undefined>>
export type Paint = 'green' | 'red' | 'yellow' | 'bold' | 'dim'

const codes: Readonly<Record<Paint, readonly [number, number]>> = {
  green: [32, 39],
  red: [31, 39],
  yellow: [33, 39],
  bold: [1, 22],
  dim: [2, 22],
}

/** Whether lines there can be written anew: a terminal, and none that says it cannot. */
export function isLively(stream: { readonly isTTY?: boolean }, environment: Environment): boolean {
  return stream.isTTY === true && environment['TERM'] !== 'dumb'
}

/** @see https://no-color.org */
export function readStyle(environment: Environment, platform: NodeJS.Platform): TerminalStyle {
  const locale = environment['LC_ALL'] || environment['LC_CTYPE'] || environment['LANG'] || ''
  // A terminal there has no locale in its environment.
  const unicode = /utf-?8/i.test(locale) || platform === 'win32' || platform === 'darwin'
  return { color: !environment['NO_COLOR'], unicode }
}

export function paint({ color }: TerminalStyle, how: Paint, text: string): string {
  if (!color || text === '') return text
  const [on, off] = codes[how]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

/** How many cells of a terminal a text takes at most, its colours apart. */
export function widthOf(text: string): number {
  let width = 0
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is the colours that are taken off
  for (const character of text.replaceAll(/\u001b\[\d+m/g, '')) width += isNarrow(character) ? 1 : 2
  return width
}

/** What of a text without colours fits; the rest is an ellipsis. What a terminal would obey becomes a question mark. */
export function fitted(text: string, width: number, { unicode }: TerminalStyle): string {
  const shown = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu, '?')
  if (widthOf(shown) <= width) return shown
  const ellipsis = unicode ? '…' : '~'
  let kept = ''
  for (const character of shown) {
    if (widthOf(kept + character) + 1 > width) break
    kept += character
  }
  return width < 1 ? '' : kept + ellipsis
}

/** Latin letters, and what we draw ourselves; of everything else a terminal may make two cells. */
function isNarrow(character: string): boolean {
  return /[\u0020-\u024f]|[…·━─│]/.test(character)
}

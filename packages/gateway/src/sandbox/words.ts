/**
 * The sandbox's text: what it says, and how it counts. One token is one word, a run of non-space characters, so that
 * whoever reads a meter can count along by hand.
 */

/** The longest reply, in UTF-16 code units; a longer one is cut like an answer that reached its token limit. */
export const MAX_REPLY_CHARACTERS = 1_048_576

/** A reply word by word; the words joined are the text. */
export interface Reply {
  readonly words: readonly string[]
  /** Whether a limit ended it before its own end. */
  readonly cut: boolean
}

/** How many words there are in `text`. */
export function countWords(text: string): number {
  const word = /\S+/g
  let count = 0
  while (word.test(text)) count += 1
  return count
}

/**
 * The reply of run `run` to `said`: always the same words but for the number, so two runs can be told apart and a
 * replay cannot be mistaken for a second run.
 * @param maxWords at most that many words are given
 * @example
 * replyTo('hello there', 7).words.join('') // 'Run 7: you said: hello there'
 */
export function replyTo(said: string, run: number, maxWords: number = Number.POSITIVE_INFINITY): Reply {
  const text = `Run ${run}: you said: ${said}`
  // Space goes with the word before it: `\s*\S+` would take quadratic time on a megabyte of spaces.
  const words: string[] = text.slice(0, MAX_REPLY_CHARACTERS).match(/\S+\s*/g) ?? []
  const given = words.slice(0, maxWords)
  const last = given.pop()
  if (last !== undefined) given.push(last.trimEnd())
  return { words: given, cut: words.length > given.length || text.length > MAX_REPLY_CHARACTERS }
}

import { closeSync, openSync, writeSync } from 'node:fs'

/** What the sandbox takes for one of these items: 5 words in and 9 out, at its made-up price. */
export const itemCostUsd = 0.000_32

/** Words that no other item has, and between them what a careless writer of lines would break. */
export function wordsOf(item: number): string {
  const space = [' ', '\n', '\u2028', '\t', '\r\n'][item % 5] ?? ''
  const spelling = ['plain', 'naïve—“quoted”', '\\n\\u0041', '日本語🙂', '"x"\u0000'][item % 5] ?? ''
  return `item ${item} of${space}${item * 7919} ${spelling}`
}

export function customIdOf(item: number): string {
  return `request-${item}`
}

/** A batch of `items` chat calls, an item a line; `seed` is a number that doubles cannot hold. */
export function writeInput(path: string, items: number): void {
  const file = openSync(path, 'wx')
  for (let item = 0; item < items; item += 1) writeSync(file, `${lineOf(item)}\n`)
  closeSync(file)
}

export function lineOf(item: number): string {
  const messages = JSON.stringify([{ role: 'user', content: wordsOf(item) }])
  const body = `{"model":"gpt-4o-mini","seed":9007199254740993,"messages":${messages}}`
  return `{"custom_id":"${customIdOf(item)}","method":"POST","url":"/v1/chat/completions","body":${body}}`
}

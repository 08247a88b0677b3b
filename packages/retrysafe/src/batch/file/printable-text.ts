/** For a terminal and a log: an id or a model's name may hold anything, also what moves a cursor or turns text around. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, '\ufffd')
}

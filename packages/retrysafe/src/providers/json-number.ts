// A number is read byte by byte, as it may be split anywhere: state and byte give the next state (RFC 8259 §6).
// 0 is none: the byte is no part of the number.
const minus = 1
const zero = 2
const whole = 3
const point = 4
const fraction = 5
const exponent = 6
const exponentSign = 7
const exponentDigits = 8

const next = new Uint8Array(9 * 256)

function allow(from: number, characters: string, to: number): void {
  for (const character of characters) next[from * 256 + character.charCodeAt(0)] = to
}

const digits = '0123456789'
allow(0, '-', minus)
for (const from of [0, minus]) {
  allow(from, '0', zero)
  allow(from, '123456789', whole)
}
allow(whole, digits, whole)
for (const from of [zero, whole]) allow(from, '.', point)
for (const from of [point, fraction]) allow(from, digits, fraction)
for (const from of [zero, whole, fraction]) allow(from, 'eE', exponent)
allow(exponent, '+-', exponentSign)
for (const from of [exponent, exponentSign, exponentDigits]) allow(from, digits, exponentDigits)

/** @param state 0 before the first byte @returns the state after this byte; 0 when the number does not go on with it */
export function numberAfter(state: number, byte: number): number {
  return next[state * 256 + byte] ?? 0
}

/** Whether a number may end in this state. */
export function mayNumberEnd(state: number): boolean {
  return state === zero || state === whole || state === fraction || state === exponentDigits
}

import { compareNames, MEMBER_NUMBERS, orderMembers } from './json-order.ts'
import { COMMA, type JsonScan, OBJECT_START, withRoom } from './json-scanner.ts'

// Members are written where they stand and change places only at the end, in one pass: to move them whenever an object
// closes would move deeply nested ones once per level, quadratic in the depth.
//
// `scan.open` holds per open container [2 * frame of the one around it + kind], then per member seen so far
// [offset of its name in the output, bytes of the name, `scan.movesLength` at its start].
export const ARRAY = 0
export const OBJECT = 1
// `scan.moves` holds per object that is out of order, the inner ones first: per member in the order to come
// [start and end in the output, `movesLength` at its end], then [start and end of all its members, how many they are,
// `movesLength` before them]. A start includes the `{` or `,` in front.
const RANGE_NUMBERS = 3
const OBJECT_NUMBERS = 4

export function openContainer(scan: JsonScan, kind: typeof ARRAY | typeof OBJECT): void {
  const frame = scan.openLength
  scan.open = withRoom(scan.open, frame + 1)
  scan.open[frame] = 2 * scan.frame + kind
  scan.frame = frame
  scan.openLength = frame + 1
}

export function insideObject(scan: JsonScan): boolean {
  return ((scan.open[scan.frame] ?? 0) & 1) === OBJECT
}

/** Notes the member whose name was just written: from `start`, its quote, to the end of the output. */
export function noteMember(scan: JsonScan, start: number): void {
  const at = scan.openLength
  scan.openLength = at + MEMBER_NUMBERS
  scan.open = withRoom(scan.open, scan.openLength)
  scan.open[at] = start + 1
  scan.open[at + 1] = scan.length - start - 2
  scan.open[at + 2] = scan.movesLength
}

/** To be called when the closing bracket is about to be written. */
export function closeContainer(scan: JsonScan): void {
  const { frame, openLength } = scan
  const names = { text: scan.output, members: scan.open }
  for (let member = frame + 1 + MEMBER_NUMBERS; member < openLength; member += MEMBER_NUMBERS) {
    if (compareNames(names, member - MEMBER_NUMBERS, member) > 0) {
      noteMoves(scan, orderMembers(names, frame + 1, openLength))
      break
    }
  }
  scan.openLength = frame
  scan.frame = (scan.open[frame] ?? 0) >> 1
}

function noteMoves(scan: JsonScan, order: Int32Array): void {
  const { open, output, movesLength } = scan
  const first = scan.frame + 1
  const start = (open[first] ?? 0) - 2
  // The brace goes to the member that will be first. Nobody reads this place again but by these ranges.
  output[start] = COMMA
  output[(open[order[0] ?? 0] ?? 0) - 2] = OBJECT_START
  let at = movesLength
  scan.movesLength = at + order.length * RANGE_NUMBERS + OBJECT_NUMBERS
  scan.moves = withRoom(scan.moves, scan.movesLength)
  const { moves } = scan
  for (const member of order) {
    const next = member + MEMBER_NUMBERS
    const isLast = next === scan.openLength
    moves[at++] = (open[member] ?? 0) - 2
    moves[at++] = isLast ? scan.length : (open[next] ?? 0) - 2
    moves[at++] = isLast ? movesLength : (open[next + 2] ?? 0)
  }
  moves[at++] = start
  moves[at++] = scan.length
  moves[at++] = order.length
  moves[at++] = open[first + 2] ?? 0
}

/**
 * Writes the document with all members in order. Goes through `scan.moves` from its end, and so from outside in.
 *
 * @param target as long as what was written
 */
export function reorderMembers(scan: JsonScan, target: Uint8Array): Uint8Array {
  const { output, moves } = scan
  let free = scan.length
  // What is left to write, what comes last in the document on top: [start, end, `movesLength` at its end].
  let ranges = scan.ranges
  ranges[0] = 0
  ranges[1] = scan.length
  ranges[2] = scan.movesLength
  let top = RANGE_NUMBERS
  while (top > 0) {
    top -= RANGE_NUMBERS
    const start = ranges[top] ?? 0
    const end = ranges[top + 1] ?? 0
    const object = (ranges[top + 2] ?? 0) - OBJECT_NUMBERS
    const membersStart = object < 0 ? -1 : (moves[object] ?? 0)
    if (membersStart < start) {
      free = copyBefore(target, free, output, start, end)
      continue
    }
    free = copyBefore(target, free, output, moves[object + 1] ?? 0, end)
    const list = object - (moves[object + 2] ?? 0) * RANGE_NUMBERS
    ranges = withRoom(ranges, top + RANGE_NUMBERS + object - list)
    ranges[top++] = start
    ranges[top++] = membersStart
    ranges[top++] = moves[object + 3] ?? 0
    for (let at = list; at < object; at++) ranges[top++] = moves[at] ?? 0
  }
  return target
}

/** From here on the native copy is worth its call. */
const LONG_RANGE_BYTES = 64

/** Copies [start, end) of `source` so that it ends before `free`; answers where it begins. */
function copyBefore(target: Uint8Array, free: number, source: Uint8Array, start: number, end: number): number {
  const begin = free - (end - start)
  if (end - start >= LONG_RANGE_BYTES) target.set(source.subarray(start, end), begin)
  else for (let at = start; at < end; at++) target[begin + at - start] = source[at] ?? 0
  return begin
}

/** Cuts `bytes` at these places (in any order; those outside count modulo the length). Nothing is lost or doubled. */
export function splitAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map(cut => cut % (bytes.byteLength + 1)))].sort((a, b) => a - b)
  const pieces: Uint8Array[] = []
  let start = 0
  for (const place of [...places, bytes.byteLength]) {
    pieces.push(bytes.subarray(start, place))
    start = place
  }
  return pieces
}

const VALUES: Int8Array = Int8Array.from({ length: 256 }, (_, byte) =>
  '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase()),
)

/** What a hexadecimal digit is worth, by its byte; -1 for all others. */
export function hexValue(byte: number | undefined): number {
  return byte === undefined ? -1 : (VALUES[byte] ?? -1)
}

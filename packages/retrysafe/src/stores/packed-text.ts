const kinds = { packed: 0, text: 1 }

/**
 * Text as bytes: base64url of exactly `byteLength` bytes as those bytes, any other text as it is. No two texts give the
 * same bytes.
 */
export function packText(text: string, byteLength: number): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  const isPacked = bytes.byteLength === byteLength && bytes.toString('base64url') === text
  return isPacked
    ? Buffer.concat([Buffer.of(kinds.packed), bytes])
    : Buffer.concat([Buffer.of(kinds.text), Buffer.from(text)])
}

export function unpackText(bytes: Buffer): string {
  return bytes.toString(bytes[0] === kinds.packed ? 'base64url' : 'utf8', 1)
}

/** Whether these bytes are what `packText` gives. */
export function isPackedText(bytes: Buffer, byteLength: number): boolean {
  return bytes[0] === kinds.packed ? bytes.byteLength === byteLength + 1 : bytes[0] === kinds.text
}

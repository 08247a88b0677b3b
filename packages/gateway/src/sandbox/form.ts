import { randomUUID } from 'node:crypto'

/** A form whose parts were read whole. */
export interface Form {
  /** The last value of each field that is no file. */
  readonly fields: ReadonlyMap<string, string>
  /** The last file of each field. */
  readonly files: ReadonlyMap<string, Buffer>
}

/** Reads a multipart form with the platform's own reader; undefined where `body` is none or is broken. */
export async function readForm(body: Buffer, contentType: string): Promise<Form | undefined> {
  const boundary = boundaryIn(contentType)
  if (boundary === undefined) return undefined
  // The reader of Node 20 takes boundaries of 27 to 70 characters only; RFC 2046 §5.1.1 allows 1 to 70.
  const ours = randomUUID()
  const headers = { 'content-type': `multipart/form-data; boundary=${ours}` }
  try {
    const form = await new Response(withBoundary(body, boundary, ours), { headers }).formData()
    const fields = new Map<string, string>()
    const files = new Map<string, Buffer>()
    for (const [name, value] of form) {
      if (typeof value === 'string') fields.set(name, value)
      else files.set(name, Buffer.from(await value.arrayBuffer()))
    }
    return { fields, files }
  } catch {
    return undefined
  }
}

/** The boundary of a multipart body; undefined for any other. */
export function boundaryIn(contentType: string): string | undefined {
  const [, quoted, bare] = /^multipart\/[^;]*;.*\bboundary=(?:"([^"]{1,70})"|([^\s";]{1,70}))/i.exec(contentType) ?? []
  return quoted ?? bare
}

/** The body between other boundaries; only whole delimiter lines are those. */
export function withBoundary(body: Buffer, boundary: string, other: string): Buffer {
  const delimiter = new RegExp(`(^|\r\n)--${boundary.replace(/[^\w]/g, '\\$&')}(?=--|[ \t]*\r\n)`, 'g')
  return Buffer.from(body.toString('latin1').replace(delimiter, `$1--${other}`), 'latin1')
}

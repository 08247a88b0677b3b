import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** What a look at a data file, without mapping it into memory, comes to. */
export type FileVerdict = { kind: 'empty' } | { kind: 'sound' } | { kind: 'newer' } | { kind: 'damaged'; why: string }

const magic = 0xbeefc0de
const dataVersion = 2
const headerBytes = 24
const maxPages = 16_384
const pageFlags = { branch: 0x01, leaf: 0x02, overflow: 0x04, meta: 0x08, leaf2: 0x20 }
const nodeFlags = { bigData: 0x01, subData: 0x02 }

interface Meta {
  readonly pageBytes: number
  readonly lastPage: number
  readonly transaction: number
  readonly roots: readonly number[]
}

/**
 * Looks at the first pages of the trees of an LMDB file (at most 16,384, 64 MiB) before anybody maps it: a damaged file must
 * give an error, not a crash of the process. Call it only while no other process has the file open.
 *
 * @throws the file system's own errors
 */
export function checkDataFile(path: string): FileVerdict {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    if (size === 0) return { kind: 'empty' }
    const page = Buffer.alloc(65_536)
    // One page at a time: each is read only after the one before was looked at.
    const read = (offset: number, length: number): Buffer => {
      const bytes = page.subarray(0, length)
      bytes.fill(0, readSync(file, bytes, 0, length, offset))
      return bytes
    }
    const meta = readMeta(read, size)
    if ('kind' in meta) return meta
    return walk(meta, read, size)
  } finally {
    closeSync(file)
  }
}

type Read = (offset: number, length: number) => Buffer

function readMeta(read: Read, size: number): Meta | FileVerdict {
  if (size < 8_192) return damaged(`it has only ${size} bytes`)
  const first = readMetaPage(read(0, 4_096), 0)
  if ('kind' in first) return first
  const second = readMetaPage(read(first.pageBytes, 4_096), 1)
  if ('kind' in second) return second
  const newest = second.transaction > first.transaction ? second : first
  return size < (newest.lastPage + 1) * newest.pageBytes && !isTailFree(newest, size)
    ? damaged(`it ends at ${size} bytes, but has ${newest.lastPage + 1} pages of ${newest.pageBytes}`)
    : newest
}

/** LMDB cuts no file, but never writes the last pages of a transaction that were freed in it. */
function isTailFree(meta: Meta, size: number): boolean {
  return (meta.lastPage + 1) * meta.pageBytes - size <= 64 * meta.pageBytes
}

function readMetaPage(page: Buffer, number: number): Meta | FileVerdict {
  if (page.readUInt32LE(headerBytes) !== magic) return damaged('it is no LMDB file')
  const version = page.readUInt32LE(headerBytes + 4) & 0xffff
  if (version > dataVersion) return { kind: 'newer' }
  const free = headerBytes + 24
  const main = free + 48
  const meta = {
    pageBytes: page.readUInt32LE(free),
    lastPage: Number(page.readBigUInt64LE(main + 48)),
    transaction: Number(page.readBigUInt64LE(main + 56)),
    roots: [readRoot(page, free), readRoot(page, main)].filter(root => root !== undefined),
  }
  const isSane =
    version === dataVersion &&
    Number(page.readBigUInt64LE(0)) === number &&
    (page.readUInt16LE(18) & pageFlags.meta) !== 0 &&
    [4_096, 8_192, 16_384, 32_768, 65_536].includes(meta.pageBytes) &&
    meta.roots.every(root => root <= meta.lastPage)
  return isSane ? meta : damaged(`its page ${number} makes no sense`)
}

/** The root page of a tree, `undefined` when it is empty. */
function readRoot(page: Buffer, at: number): number | undefined {
  const root = page.readBigUInt64LE(at + 40)
  return root === 0xffff_ffff_ffff_ffffn ? undefined : Number(root)
}

function walk(meta: Meta, read: Read, size: number): FileVerdict {
  const waiting = [...meta.roots]
  for (let seen = 0; seen < maxPages; seen++) {
    const number = waiting.shift()
    if (number === undefined) break
    const offset = number * meta.pageBytes
    if (number > meta.lastPage || offset + meta.pageBytes > size) return damaged(`page ${number} is missing`)
    const leads = readPage(read(offset, meta.pageBytes), number)
    if (leads === undefined) return damaged(`page ${number} makes no sense`)
    if (leads.endsAt > size) return damaged(`what page ${number} refers to is missing`)
    waiting.push(...leads.children)
  }
  return { kind: 'sound' }
}

/** Where a page leads: the pages below it, and how long the file must be for the values kept on pages of their own. */
interface Leads {
  readonly children: number[]
  endsAt: number
}

/** `undefined` when it is no page of a tree. */
function readPage(page: Buffer, number: number): Leads | undefined {
  const kind = page.readUInt16LE(18)
  // Positions within a page count from the end of its header.
  const [lower, upper] = [headerBytes + page.readUInt16LE(20), headerBytes + page.readUInt16LE(22)]
  const isTree = (kind & (pageFlags.branch | pageFlags.leaf)) !== 0 && (kind & pageFlags.meta) === 0
  if (Number(page.readBigUInt64LE(0)) !== number || !isTree) return undefined
  if (lower > upper || upper > page.byteLength || lower % 2 !== 0) return undefined
  const leads: Leads = { children: [], endsAt: 0 }
  if (kind & pageFlags.leaf2) return leads
  for (let at = headerBytes; at < lower; at += 2) {
    const node = headerBytes + page.readUInt16LE(at)
    if (node < upper || node + 8 > page.byteLength) return undefined
    if (!readNode(page, node, (kind & pageFlags.branch) !== 0, leads)) return undefined
  }
  return leads
}

/** @returns false when the node does not fit into its page */
function readNode(page: Buffer, node: number, isBranch: boolean, leads: Leads): boolean {
  const size = page.readUInt32LE(node)
  const flags = page.readUInt16LE(node + 4)
  const data = node + 8 + page.readUInt16LE(node + 6)
  const isBig = !isBranch && (flags & nodeFlags.bigData) !== 0
  const held = isBranch ? 0 : isBig ? 8 : size
  if (data + held > page.byteLength) return false
  if (isBranch) leads.children.push(size + flags * 2 ** 32)
  else if (isBig) {
    const endsAt = Number(page.readBigUInt64LE(data)) * page.byteLength + headerBytes + size
    leads.endsAt = Math.max(leads.endsAt, endsAt)
  } else if ((flags & nodeFlags.subData) !== 0 && held === 48) {
    const root = readRoot(page, data)
    if (root !== undefined) leads.children.push(root)
  }
  return true
}

function damaged(why: string): FileVerdict {
  return { kind: 'damaged', why }
}

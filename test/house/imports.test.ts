import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { filesBelow, read } from './source-files.ts'

/** The floors, from the ground up; who stands on one floor may import its own room, and the floors below. */
const floors: readonly (readonly string[])[] = [
  ['protocol'],
  ['fingerprint', 'providers'],
  ['engine'],
  ['server', 'client', 'batch', 'consumer', 'stores', 'store-testkit'],
  ['adapters'],
]
const library = 'packages/retrysafe/src'
const gateway = 'packages/gateway/src'

interface Import {
  from: string
  to: string
}

function importsOf(path: string, source = read(path)): Import[] {
  const found = source.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'|import\('([^']+)'\)/gm)
  return [...found].map(match => ({ from: path, to: match[1] ?? match[2] ?? '' }))
}

function libraryImports(): Import[] {
  return filesBelow(library, '.ts')
    .flatMap(path => importsOf(path))
    .filter(({ to }) => to.startsWith('.'))
    .map(({ from, to }) => ({ from, to: normalize(join(dirname(from), to)) }))
}

function roomOf(path: string): string {
  return path.slice(library.length + 1).split('/')[0] ?? ''
}

function floorOf(path: string): number {
  return floors.findIndex(rooms => rooms.includes(roomOf(path)))
}

test('every room of the library has its floor', () => {
  const rooms = new Set(
    filesBelow(library, '.ts')
      .map(roomOf)
      .filter(room => !room.endsWith('.ts')),
  )
  expect([...rooms].filter(room => !floors.flat().includes(room))).toEqual([])
})

test('imports go downhill only, type imports too', () => {
  const uphill = libraryImports().filter(({ from, to }) => {
    if (!from.includes('/', library.length + 1)) return false
    return roomOf(from) !== roomOf(to) && floorOf(to) >= floorOf(from)
  })
  expect(uphill).toEqual([])
})

test('the library imports Node and its own files, nothing hard from outside; of its optional peers only types', () => {
  const peers = Object.keys(JSON.parse(read('packages/retrysafe/package.json')).peerDependencies)
  const typesOfPeers = new RegExp(`^import type [^'"]*?from '(${peers.join('|')})'`, 'gm')
  const outside = filesBelow(library, '.ts')
    .flatMap(path => importsOf(path, read(path).replace(typesOfPeers, '')))
    .filter(({ to }) => !to.startsWith('.') && !to.startsWith('node:'))
  expect(outside).toEqual([])
})

test('the library knows nothing of the gateway, and the gateway only what is exported', () => {
  const foreign = filesBelow(gateway, '.ts')
    .flatMap(path => importsOf(path))
    .filter(({ to }) => to.startsWith('.') && normalize(to).startsWith('../../../'))
  expect(foreign).toEqual([])
})

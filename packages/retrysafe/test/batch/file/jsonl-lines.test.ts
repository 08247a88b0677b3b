import { expect, test } from 'vitest'
import { readJsonlLines } from '../../../src/batch/file/jsonl-lines.ts'
import { writeInput } from '../folder.ts'

async function linesOf(text: string | Uint8Array): Promise<[number, number, string, boolean][]> {
  const lines: [number, number, string, boolean][] = []
  for await (const { lineNumber, offsetBytes, bytes, isEnded } of readJsonlLines(writeInput(text))) {
    lines.push([lineNumber, offsetBytes, Buffer.from(bytes).toString(), isEnded])
  }
  return lines
}

test('lines end with LF or CRLF; blank ones are left out, and counted', async () => {
  expect(await linesOf('a\nb\r\n\n \t\r\nc\n')).toEqual([
    [1, 0, 'a', true],
    [2, 2, 'b', true],
    [5, 10, 'c', true],
  ])
})

test('a byte order mark is no part of the first line', async () => {
  expect(await linesOf('\ufeffa\n\ufeffb\n')).toEqual([
    [1, 0, 'a', true],
    [2, 5, '\ufeffb', true],
  ])
})

test('a last line without a newline is there, and said to be so', async () => {
  expect(await linesOf('a\nb')).toEqual([
    [1, 0, 'a', true],
    [2, 2, 'b', false],
  ])
  expect(await linesOf('')).toEqual([])
})

test('lines that end at, before and behind the end of a chunk of 256 KiB come whole', async () => {
  const long = 'x'.repeat(262_143)
  const longer = 'y'.repeat(700_000)
  const lines = await linesOf(`${long}\n${longer}\nz\n${'w'.repeat(300_000)}`)
  expect(lines.map(([number, offset, text]) => [number, offset, text[0], text.length])).toEqual([
    [1, 0, 'x', 262_143],
    [2, 262_144, 'y', 700_000],
    [3, 962_145, 'z', 1],
    [4, 962_147, 'w', 300_000],
  ])
})

test('a line over 64 MiB is refused, with its number, before the rest of it is read', async () => {
  await expect(linesOf(Buffer.concat([Buffer.from('a\n'), Buffer.alloc(67_200_000, 'x')]))).rejects.toMatchObject({
    name: 'LineTooLong',
    lineNumber: 2,
    message: expect.stringContaining('> 67108864 (maxLineBytes)'),
  })
})

test('lines are parts of one room, also those that came in pieces: no copy of each waits to be collected', async () => {
  const lines = Array.from({ length: 40 }, (_, index) => String(index % 10).repeat(100_000))
  const rooms = new Set<ArrayBufferLike>()
  const read: string[] = []
  for await (const { bytes } of readJsonlLines(writeInput(lines.join('\n')))) {
    rooms.add(bytes.buffer)
    read.push(Buffer.from(bytes).toString())
  }
  expect(rooms.size).toBe(1)
  expect(read).toEqual(lines)
})

test('the room for one long line is given up behind it', async () => {
  const rooms: number[] = []
  const text = ['a', 'x'.repeat(5_000_000), ...Array.from({ length: 4 }, () => 'b'.repeat(200_000))].join('\n')
  for await (const { bytes } of readJsonlLines(writeInput(text))) rooms.push(bytes.buffer.byteLength)
  expect([rooms[0], rooms[1], rooms.at(-1)]).toEqual([262_144, 8_388_608, 262_144])
})

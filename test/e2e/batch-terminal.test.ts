import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import { readBatchStatus } from 'retrysafe/internal/batch/file/status-file'
import { afterAll, describe, expect, test } from 'vitest'
import { type BatchFolder, chatItems, makeBatchFolder } from '../support/batch-files.ts'
import { eventually } from '../support/eventually.ts'
import { startTerminal, type Terminal } from '../support/terminal.ts'
import { startUpstream } from '../support/upstream.ts'

const binary = fileURLToPath(new URL('../../packages/gateway/bin/retrysafe.js', import.meta.url))
const page = fileURLToPath(new URL('../../docs/terminal/batch.txt', import.meta.url))

/** Answers that are held back until a test lets them go. */
let held: ServerResponse[] = []
const upstream = await startUpstream(response => response.end())
afterAll(upstream.stop)

function answer(response: ServerResponse): void {
  const usage = '{"prompt_tokens":1200,"completion_tokens":300}'
  response
    .writeHead(200, { 'Content-Type': 'application/json' })
    .end(`{"id":"c","model":"gpt-5-mini","choices":[],"usage":${usage}}`)
}

/** Item 7 is poisoned, those above 24 are held back. */
function answerSome(): void {
  held = []
  upstream.answerWith((response, request) => {
    const item = Number(new URL(request.url ?? '', 'http://h').searchParams.get('item'))
    if (item === 7) {
      response.writeHead(400, { 'Content-Type': 'application/json' }).end('{"error":{"message":"too long"}}')
    } else if (item > 24) held.push(response)
    else answer(response)
  })
}

async function open(batch: BatchFolder, before: readonly string[] = []): Promise<Terminal> {
  const args = ['batch', 'run', 'in.jsonl', '--out', 'out.jsonl', '--base-url', `${upstream.url}/v1`]
  const more = ['--batch-id', 'nightly-2026-11-23', '--concurrency', '8']
  const command = [...before, process.execPath, binary, ...args, ...more]
  return startTerminal(command, { columns: 80, rows: 24, folder: batch.path })
}

/** What differs from run to run becomes what it is called, as wide as it was. */
function steady(screen: string): string {
  const times: readonly (readonly [RegExp, string])[] = [
    [/\d:\d\d:\d\d/g, 'h:mm:ss'],
    [/ [\d.]+\/s/g, ' n/s'],
    [/ETA (\d+ s|\d+ min \d+ s|unknown)/g, 'ETA t'],
    [/^( {2}time {5}).*$/gm, '$1t'],
    [/ of \d+ in flight/g, ' of 8 in flight'],
  ]
  return times.reduce((text, [pattern, name]) => text.replace(pattern, name), screen)
}

describe('a batch in a terminal', () => {
  const batch = makeBatchFolder()
  let terminal: Terminal | undefined
  let [wide, narrow, ended] = ['', '', '']
  afterAll(() => terminal?.stop())

  test('is watched: 80 columns, then 40, then 80 again, then to its end', async () => {
    batch.write(chatItems(32, 'gpt-5-mini'))
    answerSome()
    const shown = await open(batch)
    terminal = shown
    await eventually(() => held.length).toBe(8)
    // A screen is looked at while it is being drawn, too.
    const seen = async (keep: (screen: string) => void): Promise<string> => {
      const screen = await shown.screen()
      keep(screen)
      return screen
    }
    await eventually(() => seen(screen => (wide = screen))).toMatch(/^line 7.* 1 failed · 8 of.* spent$/s)
    // Standing still it writes nothing for the old size meanwhile.
    const { pid } = await readBatchStatus(batch.output, [])
    process.kill(pid, 'SIGSTOP')
    await shown.screen()
    await shown.resize(40, 24)
    process.kill(pid, 'SIGCONT')
    await eventually(() => seen(screen => (narrow = screen))).toMatch(
      /^nightly.*\n23 of 32 done · 1 failed\n.* spent$/s,
    )
    await shown.resize(80, 24)
    await eventually(() => shown.screen()).toMatch(/ 1 failed · 8 of.* spent$/s)
    for (const response of held) answer(response)
    await eventually(() => shown.exitCode()).toBe(1)
    ended = await shown.screen()
  })

  test('while it runs: what was set aside above, the block below', () => {
    const width = 80
    expect(steady(wide)).toBe(
      [
        'line 7, doc-7: the answer was 400',
        `nightly-2026-11-23${' '.repeat(width - 18 - 7)}h:mm:ss`,
        `${'━'.repeat(53 + 2)}${'─'.repeat(width - 55 - 6)}  75 %`,
        '23 of 32 done · 1 failed · 8 of 8 in flight',
        '0 kept · 0 replayed · n/s · ETA t',
        '28k tokens in · 6,900 out · about $0.0207 spent',
      ].join('\n'),
    )
  })

  test('made narrower it is drawn anew, and leaves nothing of the wider one', () => {
    expect(steady(narrow)).toBe(
      [
        `nightly-2026-11-23${' '.repeat(40 - 18 - 7)}h:mm:ss`,
        `${'━'.repeat(25)}${'─'.repeat(9)}  75 %`,
        '23 of 32 done · 1 failed',
        '8 of 8 in flight',
        '0 kept · 0 replayed · n/s · ETA t',
        '28k tokens in · 6,900 out',
        'about $0.0207 spent',
      ].join('\n'),
    )
  })

  test('at its end the block is gone, and the summary stands there', () => {
    expect(steady(ended)).toBe(
      [
        'Batch nightly-2026-11-23: done, but for 1 item',
        '  done     31 of 32: 0 kept, 0 replayed',
        '  failed   1',
        '  tokens   37,200 in, 9,300 out',
        '  money    about $0.0279 spent',
        '  time     t',
        '  outputs  out.jsonl',
        '  errors   out.errors.jsonl',
        'Run the same command again to try the 1 failed item again.',
      ].join('\n'),
    )
  })

  test('docs/terminal/batch.txt shows these screens', () => {
    const shown = [wide, narrow, ended].join(`\n\n${'-'.repeat(80)}\n\n`)
    expect(steady(readFileSync(page, 'utf8'))).toBe(steady(`${shown}\n`))
  })
})

test('where a terminal says that it is dumb, lines are written one below the other', async () => {
  const batch = makeBatchFolder()
  batch.write(chatItems(3))
  upstream.answerWith(answer)
  const terminal = await open(batch, ['env', 'TERM=dumb'])
  try {
    await eventually(() => terminal.exitCode()).toBe(0)
    const [first, second] = (await terminal.screen()).split('\n')
    expect(first).toBe('retrysafe: batch nightly-2026-11-23: 3 items, 0 of them done before')
    expect(second).toBe('Batch nightly-2026-11-23: all done')
  } finally {
    await terminal.stop()
  }
})

test('control-C is the signal: it says that it stops, and a second one ends it', async () => {
  const batch = makeBatchFolder()
  batch.write(chatItems(30))
  answerSome()
  const terminal = await open(batch)
  try {
    await eventually(() => held.length).toBeGreaterThan(5)
    await terminal.press('C-c')
    await eventually(() => terminal.screen()).toContain('stopping: what is in flight is finished and recorded')
    await terminal.press('C-c')
    await eventually(() => terminal.exitCode()).toBe(1)
  } finally {
    await terminal.stop()
  }
})

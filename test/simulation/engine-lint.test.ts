import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const engine = 'packages/retrysafe/src/engine'
const global = 'lint/style/noRestrictedGlobals'
const imported = 'lint/style/noRestrictedImports'

/** Files that nobody has, and what the linter must say of them. */
const planted: readonly (readonly [path: string, code: string, rules: readonly string[]])[] = [
  [`${engine}/date-now.ts`, 'export const a = Date.now()', [global]],
  [`${engine}/new-date.ts`, 'export const a = new Date()', [global]],
  [`${engine}/performance.ts`, 'export const a = performance.now()', [global]],
  [`${engine}/hrtime.ts`, 'export const a = process.hrtime()', [global]],
  [`${engine}/timeout.ts`, 'setTimeout(() => {}, 1)', [global]],
  [`${engine}/interval.ts`, 'setInterval(() => {}, 1)', [global]],
  [`${engine}/immediate.ts`, 'setImmediate(() => {})', [global]],
  [`${engine}/uuid.ts`, 'export const a = crypto.randomUUID()', [global]],
  [`${engine}/global.ts`, 'export const a = globalThis.Math', [global]],
  [`${engine}/math-random.ts`, 'export const a = Math.random()', ['plugin']],
  [`${engine}/signal.ts`, 'export const a = AbortSignal.timeout(1)', ['plugin']],
  [`${engine}/bytes.ts`, "export { randomBytes } from 'node:crypto'", [imported]],
  [`${engine}/fill.ts`, "import { randomFillSync } from 'node:crypto'\nexport const a = randomFillSync", [imported]],
  [`${engine}/sleep.ts`, "import { setTimeout as b } from 'node:timers/promises'\nexport const a = b", [imported]],
  [`${engine}/hooks.ts`, "import { performance as b } from 'node:perf_hooks'\nexport const a = b", [imported]],
  [`${engine}/fine.ts`, 'queueMicrotask(() => {})\nexport const a = [Math.max(1, 2), new AbortController()]', []],
  [`${engine}/hash.ts`, "import { createHmac } from 'node:crypto'\nexport const a = createHmac", []],
  [`${engine}/surroundings.ts`, 'export const a = [performance.now(), Math.random()]', []],
  ['packages/retrysafe/src/stores/clock.ts', 'export const a = [performance.now(), Math.random()]', []],
]

let folder = ''
let said = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retrysafe-lint-'))
  const settings = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as object
  write('biome.json', JSON.stringify({ ...settings, vcs: { enabled: false } }))
  mkdirSync(join(folder, 'test/simulation'), { recursive: true })
  copyFileSync(
    join(root, 'test/simulation/engine-surroundings.grit'),
    join(folder, 'test/simulation/engine-surroundings.grit'),
  )
  for (const [path, code] of planted) write(path, `${code}\n`)
  const biome = join(root, 'node_modules/.bin/biome')
  const { stdout, stderr, error } = spawnSync(biome, ['lint', '--max-diagnostics=none'], {
    cwd: folder,
    encoding: 'utf8',
  })
  if (error !== undefined) throw error
  said = stdout + stderr
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

it.each(planted)('%s: %s', (path, _, rules) => {
  expect(said).toContain(`Checked `)
  const found = said.split('\n').filter(line => line.startsWith(`${path}:`))
  expect(found.map(line => /:\d+:\d+ (lint\/\S+|plugin)/.exec(line)?.[1])).toEqual(rules)
})

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { read, root } from '../house/source-files.ts'
import { openStage } from '../support/stage.ts'

// Every snippet of these pages is a module of its own, checked against the built package and run. What a page takes for
// granted (a model, a document) it declares in a comment that begins with `<!-- snippets`; here it is at run time.

/** And how many runs a provider counts of what the page calls. */
const pages = [
  ['docs/functions.md', 0],
  ['docs/server.md', 0],
  ['docs/client.md', 6],
  ['docs/batch.md', 2],
] as const
/** Their servers are elsewhere. */
const compiledOnly = ['docs/stores/lmdb.md', 'docs/stores/postgres.md', 'docs/stores/redis.md']
const granted = `import { createRetrysafe } from 'retrysafe'
Object.assign(globalThis, {
  safe: createRetrysafe({ store: 'memory:' }),
  doc: { id: 'doc-1', owner: 'ann' },
  reviews: [{ customId: 'review-1', text: 'Lovely!' }, { customId: 'review-2', text: 'The lid broke.' }],
  callModel: async () => ({ summary: 'short' }),
  streamModel: async function* () { yield 'once upon a time' },
  charge: async () => {},
})
`

interface Snippet {
  /** Page and line, such as `functions-19`. */
  readonly name: string
  readonly text: string
}

function snippetsOf(page: string): Snippet[] {
  const source = read(page)
  const stem = page.split('/').at(-1)?.replace('.md', '') ?? ''
  return [...source.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(match => ({
    name: `${stem}-${source.slice(0, match.index).split('\n').length}`,
    text: match[1] ?? '',
  }))
}

/** A script, not a module: a snippet may declare the same name for itself. */
function givenOf(page: string): string {
  return /^<!-- snippets\n([\s\S]*?)^-->$/m.exec(read(page))?.[1] ?? ''
}

/** What `npm start` runs, and where the pages say it is. */
const { sandbox, gateway } = await openStage()
const places = [
  ['http://127.0.0.1:8787', gateway.url],
  ['http://127.0.0.1:9090', sandbox.url],
] as const

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retrysafe-snippets-'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir')
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What the compiler says of the snippets; nothing, if they are sound. */
function complaints(given: string, snippets: readonly Snippet[]): string {
  const sources = [{ name: 'given.d', text: given }, ...snippets]
  for (const { name, text } of sources) {
    writeFileSync(join(folder, `${name}.ts`), name === 'given.d' ? text : `${text}\nexport {}\n`)
  }
  const config = {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: {
      outDir: 'out',
      sourceMap: false,
      composite: false,
      incremental: false,
      declaration: false,
      declarationMap: false,
      isolatedDeclarations: false,
      noUnusedLocals: false,
      typeRoots: [join(root, 'node_modules/@types')],
    },
    files: sources.map(({ name }) => `${name}.ts`),
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const { stdout, error } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', '.'], {
    cwd: folder,
    encoding: 'utf8',
  })
  if (error !== undefined) throw error
  return stdout
}

/** What a snippet that was compiled says when it runs, and how it ends. */
function run({ name }: Snippet): string {
  writeFileSync(join(folder, 'granted.js'), granted)
  const program = join(folder, `out/${name}.js`)
  const moved = places.reduce((text, [said, real]) => text.replaceAll(said, real), readFileSync(program, 'utf8'))
  writeFileSync(program, moved)
  const args = ['--unhandled-rejections=strict', '--import', './granted.js', `out/${name}.js`]
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', timeout: 20_000 })
  return status === 0 ? '' : `${name}: exit ${status}, ${stderr}`
}

test.each(pages)('every snippet of %s is sound, and runs to its end', { timeout: 120_000 }, async (page, runs) => {
  const snippets = snippetsOf(page)
  expect(snippets.length).toBeGreaterThan(3)
  expect(complaints(givenOf(page), snippets)).toBe('')
  expect(snippets.map(run).filter(said => said !== '')).toEqual([])
  expect((await sandbox.meter.all()).runs).toBe(runs)
})

test.each(compiledOnly)('every snippet of %s is sound', { timeout: 60_000 }, page => {
  const snippets = snippetsOf(page)
  expect(snippets.length).toBeGreaterThan(0)
  expect(complaints(givenOf(page), snippets)).toBe('')
})

test('control: one that is not is named by its page and line', () => {
  const [first = { name: '', text: '' }] = snippetsOf('docs/functions.md')
  const broken = { ...first, text: first.text.replace("  name: 'summarize',\n", '') }
  expect(complaints(givenOf('docs/functions.md'), [broken])).toMatch(
    /^functions-\d+\.ts\(\d+,\d+\): error TS2741: Property 'name' is missing/,
  )
})

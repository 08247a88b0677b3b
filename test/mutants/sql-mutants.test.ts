import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import type { KitHarness } from '../../packages/retrysafe/src/store-testkit/index.ts'
import { inSchema } from '../../packages/retrysafe/src/stores/postgres/schema-name.ts'
import { runKit } from '../../packages/retrysafe/test/store-testkit/collecting-runner.ts'
import { postgresHarness } from '../../packages/retrysafe/test/stores/postgres/kit-harness.ts'
import { startWallMs } from '../../packages/retrysafe/test/support/manual-time.ts'
import { sqlCases } from '../fault/postgres/sql-cases.ts'
import { runSqlCase } from '../fault/postgres/sql-stage.ts'
import { openSchemas, type Schemas } from '../support/postgres/schemas.ts'
import { startPostgres } from '../support/postgres/server.ts'

interface SqlMutant {
  readonly name: string
  /** Of the store's commands. */
  readonly file: string
  readonly find: string
  readonly replace: string
  /** The case that finds it. */
  readonly by: string
  /** The server's own clock, for what a clock that is moved by hand takes the place of. */
  readonly clock?: 'real'
}

const list: string = new URL('./sql-mutants.mjs', import.meta.url).href
const { sqlMutants } = (await import(list)) as { sqlMutants: readonly SqlMutant[] }
const commands = new URL('../../packages/retrysafe/src/stores/postgres/commands/', import.meta.url)

const server = await startPostgres({ settings: { deadlock_timeout: '5ms' } })
afterAll(() => server.stop())

/** Schemas whose functions are those of the mutant of the moment. */
class MutableSchemas {
  readonly inner: Schemas
  readonly harness: KitHarness
  mutant: SqlMutant | undefined
  /** The files that are not as they should be, by schema. */
  readonly #changed = new Map<string, string>()

  constructor(inner: Schemas, url: string, time: Pick<KitHarness, 'pass' | 'maxPassMs' | 'slackMs' | 'walks'>) {
    this.inner = inner
    this.harness = { ...postgresHarness({ ...inner, take: () => this.take() }, url), ...time }
  }

  async take(): Promise<string> {
    const url = new URL(await this.inner.take())
    // No hints but by polling: notifications would come all the same.
    url.searchParams.set('listen', 'off')
    const schema = url.searchParams.get('schema') ?? ''
    const changed = this.#changed.get(schema)
    if (changed !== undefined) await this.#make(schema, functionsOf(changed))
    this.#changed.delete(schema)
    if (this.mutant === undefined) return url.href
    const { file } = this.mutant
    const sound = new Set(functionsOf(file))
    this.#changed.set(schema, file)
    await this.#make(
      schema,
      functionsOf(file, this.mutant).filter(text => !sound.has(text)),
    )
    return url.href
  }

  async #make(schema: string, functions: readonly string[]): Promise<void> {
    // A clock that is moved by hand stays.
    const ours = functions.filter(
      text => this === real || !/^CREATE OR REPLACE FUNCTION retrysafe\.(clock_us|up_since_ms)\(/.test(text),
    )
    await this.inner.pool.query(inSchema(ours.join('\n'), schema))
  }
}

/** The functions of a file, one text each, with the mistake of a mutant in them. */
function functionsOf(file: string, mutant?: SqlMutant): string[] {
  const text = readFileSync(new URL(file, commands), 'utf8')
  const changed = mutant === undefined ? text : mutate(text, mutant)
  return changed.split(/^(?=CREATE OR REPLACE FUNCTION)/m).slice(1)
}

function mutate(text: string, { name, file, find, replace }: SqlMutant): string {
  const places = text.split(find).length - 1
  if (places === 0) throw new Error(`this mutant no longer applies: ${name} (${file} has no ${find})`)
  return text.replaceAll(find, () => replace)
}

async function open(manualMs?: number): Promise<{ schemas: Schemas; url: string }> {
  const url = await server.createDatabase()
  const schemas = await openSchemas(url, manualMs === undefined ? {} : { manualMs })
  afterAll(() => schemas.close())
  return { schemas, url }
}

const byHand = await open(startWallMs)
const manual = new MutableSchemas(byHand.schemas, byHand.url, {
  pass: ms => byHand.schemas.clock.pass(ms),
  maxPassMs: Number.POSITIVE_INFINITY,
  walks: { count: 8 },
})
const byServer = await open()
const real: MutableSchemas = new MutableSchemas(byServer.schemas, byServer.url, {
  pass: ms => new Promise(resolve => setTimeout(resolve, ms)),
  maxPassMs: 3_000,
  slackMs: 2_500,
})

/** What a case says; `undefined`: nothing is wrong. */
async function verdict(by: string, schemas: MutableSchemas): Promise<string | undefined> {
  const own = sqlCases.find(({ name }) => name === by)
  if (own === undefined) {
    const { passed, failed } = await runKit(schemas.harness, name => name === by)
    if (passed.length + failed.size !== 1) throw new Error(`${passed.length + failed.size} cases are called ${by}`)
    return failed.get(by)
  }
  const mutable = { ...schemas.inner, take: () => schemas.take() }
  return runSqlCase(own, mutable, server.log).then(
    () => undefined,
    (error: Error) => error.message,
  )
}

const schemasOf = ({ clock }: SqlMutant): MutableSchemas => (clock === 'real' ? real : manual)

test('every file of commands has a mutant', () => {
  const without = readdirSync(commands).filter(file => !sqlMutants.some(mutant => mutant.file === file))
  expect(without).toEqual(['inbox.sql', 'step_get.sql'])
})

test('without a mutant every case that finds one passes', { timeout: 120_000 }, async () => {
  const said: string[] = []
  for (const { by, clock } of new Map(sqlMutants.map(mutant => [mutant.by, mutant])).values()) {
    const schemas = clock === 'real' ? real : manual
    schemas.mutant = undefined
    const told = await verdict(by, schemas)
    if (told !== undefined) said.push(`${by}: ${told}`)
  }
  expect(said).toEqual([])
})

test.each(sqlMutants)('$name: found by $by', async mutant => {
  const schemas = schemasOf(mutant)
  schemas.mutant = mutant
  try {
    const told = await verdict(mutant.by, schemas)
    expect(told, 'it survives').toBeDefined()
    // What the mutant's own text brings about is no finding.
    expect(told).not.toMatch(/syntax error|does not exist|has no schema of this version/)
  } finally {
    schemas.mutant = undefined
  }
})

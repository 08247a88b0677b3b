import { type Command, Option } from 'commander'
import { type MigrateAnswer, migrate } from 'retrysafe/internal/stores/postgres/migrate'

interface MigrateFlags {
  readonly store?: string
  readonly schema?: string
  readonly grantTo?: string
  readonly dryRun?: boolean
  readonly json?: boolean
}

const takes = 'it takes postgres://USER:PASSWORD@HOST:PORT/DATABASE'

export function addMigrateCommand(program: Command): void {
  const command = program
    .command('migrate')
    .description('make or update the tables and functions of a PostgreSQL store; may be run again, and by many at once')
    .allowExcessArguments(false)
    .addOption(new Option('--store <url>', 'postgres://USER:PASSWORD@HOST:PORT/DATABASE').env('RETRYSAFE_STORE'))
    .addOption(new Option('--schema <name>', "schema of the store; default: the URL's ?schema=NAME, or retrysafe"))
    .addOption(new Option('--dry-run', 'print the SQL that would run, for psql, and change nothing'))
    .addOption(new Option('--grant-to <role>', 'a role that may then work with the store without owning it'))
    .addOption(new Option('--json', 'the result as one line of JSON'))
  command.action((flags: MigrateFlags) => run(command, flags))
}

async function run(command: Command, { store, schema, grantTo, dryRun = false, json = false }: MigrateFlags) {
  // An empty variable says nothing.
  if (store === undefined || store === '') return command.error(`--store or RETRYSAFE_STORE is missing: ${takes}`)
  const scheme = /^\s*(lmdb|memory):/.exec(store)?.[1]
  if (scheme !== undefined) {
    const result = { event: 'migrated', store: scheme, dryRun, statements: [] }
    return print(json ? JSON.stringify(result) : `${scheme}: nothing to migrate: that store makes what it needs`)
  }
  const answer = await migrate({
    url: store,
    dryRun,
    ...(schema !== undefined && { schema }),
    ...(grantTo !== undefined && { grantTo }),
    onStatement: name => {
      // Not each of some thirty functions.
      if (!name.startsWith('commands/')) say(name)
    },
  })
  if (json) return print(JSON.stringify(resultOf(answer, dryRun)))
  if (!dryRun) return print(summaryOf(answer, 'ran'))
  print(answer.script)
  say(`${summaryOf(answer, 'would run')}; nothing was changed`)
}

function summaryOf({ schema, from, to, statements }: MigrateAnswer, verb: string): string {
  const way = from === to ? `is at version ${to} already` : `from version ${from} to ${to}`
  const files = statements.length
  return `schema ${schema} ${way}: ${files} files of SQL ${verb}`
}

function resultOf({ schema, from, to, statements, script }: MigrateAnswer, dryRun: boolean): object {
  const names = statements.map(({ name }) => name)
  return {
    event: 'migrated',
    store: 'postgres',
    schema,
    from,
    to,
    dryRun,
    statements: names,
    ...(dryRun && { script }),
  }
}

function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}

function say(text: string): void {
  process.stderr.write(`retrysafe: ${text}\n`)
}
